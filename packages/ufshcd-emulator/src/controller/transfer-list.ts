import { Hcs, Is, Ocs, parseUtrd, Reg, UTRD_BYTES, utrdOcsOffset } from "../ufshci/index.js";
import type { CryptoEngine } from "./crypto-engine.js";
import type { UfsDevice } from "./device/ufs-device.js";
import type { HostCore } from "./host-core.js";
import type { InterruptAggregation } from "./interrupt-aggregation.js";
import { Transfer } from "./transfer.js";
import { TransferDispatch } from "./transfer-dispatch.js";

/** The transfer request list: doorbells in, completions out. */
export class TransferList {
  readonly #core: HostCore;
  readonly #aggregation: InterruptAggregation;
  readonly #dispatch: TransferDispatch;
  readonly #make: () => Transfer;
  /** By list entry: the request in it, once it has been fetched. */
  readonly #running: (Transfer | null)[];
  readonly #free: Transfer[] = [];
  readonly #utrd = new Uint8Array(UTRD_BYTES);
  readonly #ocs = new Uint8Array(1);
  readonly #onQuiet: () => void;
  #pending = 0;
  #isScheduled = false;
  #orphans = 0;

  /** @param onQuiet - called when {@link TransferList.isQuiet} becomes true */
  constructor(
    core: HostCore,
    device: UfsDevice,
    crypto: CryptoEngine | null,
    aggregation: InterruptAggregation,
    listEntries: number,
    onQuiet: () => void,
  ) {
    this.#onQuiet = onQuiet;
    this.#core = core;
    this.#aggregation = aggregation;
    this.#running = new Array<Transfer | null>(listEntries).fill(null);
    this.#dispatch = new TransferDispatch(core, device, crypto, (is) => this.fatal(is));
    this.#make = () => new Transfer(core, device, crypto, (transfer, ocs) => this.#commandEnded(transfer, ocs));
  }

  /** Software writes UTRLDBR: starts the requests whose bits are new. */
  ring(bits: number): void {
    const { registers } = this.#core;
    if (!this.#isRunning) return;
    const known = this.#running.length === 32 ? 0xffff_ffff : 2 ** this.#running.length - 1;
    const rung = bits & known & ~registers.get(Reg.UTRLDBR);
    if (rung === 0) return;
    registers.setBits(Reg.UTRLDBR, rung);
    this.#pending |= rung;
    this.schedule();
  }

  /** Software writes UTRLCLR: requests whose bits are 0 are forgotten. */
  clear(kept: number): void {
    for (let index = 0; index < this.#running.length; index++) {
      const bit = 1 << index;
      if ((kept & bit) !== 0) continue;
      this.#core.registers.clearBits(Reg.UTRLDBR, bit);
      this.#pending &= ~bit;
      this.#abandon(index);
    }
  }

  /** The request that is task `taskTag` of `lun` in the device, or -1. */
  findTask(lun: number, taskTag: number): number {
    return this.#running.findIndex(
      (transfer) => transfer?.isCommand && transfer.runner.task.lun === lun && transfer.runner.task.tag === taskTag,
    );
  }

  /** Whether any task of `lun` is in the device. */
  hasTask(lun: number): boolean {
    return this.#running.some((transfer) => transfer?.isCommand && transfer.runner.task.lun === lun);
  }

  /** The device forgets a task; the doorbell stays until software clears it. */
  abort(index: number): void {
    this.#abandon(index);
  }

  /** The device forgets all tasks of `lun`. */
  abortUnit(lun: number): void {
    this.#running.forEach((transfer, index) => {
      if (transfer?.isCommand && transfer.runner.task.lun === lun) this.#abandon(index);
    });
  }

  /** The device forgets all tasks. */
  abortAll(): void {
    for (let index = 0; index < this.#running.length; index++) this.#abandon(index);
  }

  /** Whether no request that was given up is at work on a medium any more. */
  get isQuiet(): boolean {
    return this.#orphans === 0;
  }

  /** A host reset, or a fatal error: every request is forgotten. */
  reset(): void {
    this.#pending = 0;
    this.abortAll();
  }

  /** Something broke for good; `is` is the bit of IS that says what. */
  fatal(is: number): void {
    this.reset();
    this.#core.fatal(is);
  }

  /** Looks for pending requests after this register access. */
  schedule(): void {
    if (this.#isScheduled || this.#pending === 0) return;
    this.#isScheduled = true;
    this.#core.clock.defer(this.#runPending);
  }

  get #isRunning(): boolean {
    const { registers, isHalted } = this.#core;
    const isReady = (registers.get(Reg.HCS) & Hcs.UTRLRDY) !== 0;
    return isReady && (registers.get(Reg.UTRLRSR) & 1) !== 0 && !isHalted;
  }

  readonly #runPending = (): void => {
    this.#isScheduled = false;
    for (let index = 0; index < this.#running.length; index++) {
      // Requests given up while the medium was at work hold memory: new ones wait until some of it is back.
      if (!this.#isRunning || this.#orphans >= this.#running.length) return;
      const bit = 1 << index;
      if ((this.#pending & bit) === 0) continue;
      this.#pending &= ~bit;
      this.#fetch(index);
    }
  };

  #fetch(index: number): void {
    const address = this.#core.listBase(Reg.UTRLBA) + index * UTRD_BYTES;
    if (!this.#core.dma.read(address, this.#utrd)) return this.fatal(Is.SBFES);
    const transfer = this.#free.pop() ?? this.#make();
    parseUtrd(this.#utrd, 0, transfer.utrd);
    transfer.start(index);
    this.#running[index] = transfer;
    const ocs = this.#dispatch.start(transfer);
    if (ocs !== null) this.#complete(transfer, ocs);
  }

  /** A command has ended in the device, or has ended for nobody. */
  #commandEnded(transfer: Transfer, ocs: Ocs): void {
    if (transfer.isOrphan) return this.#orphanEnded(transfer);
    const { fault } = transfer;
    if (fault?.kind === "lostCompletion") return;
    if (fault?.kind !== "slowCommand") return this.#complete(transfer, ocs);
    transfer.cancelDelay = this.#core.clock.after(fault.delayNs, () => {
      transfer.cancelDelay = null;
      this.#complete(transfer, ocs);
    });
  }

  #complete(transfer: Transfer, result: Ocs): void {
    const { registers, dma } = this.#core;
    const index = transfer.listIndex;
    const ocs = result === Ocs.SUCCESS ? this.#dispatch.sendResponse(transfer) : result;
    this.#dispatch.observeEnd(transfer, ocs);
    this.#ocs[0] = ocs;
    this.#running[index] = null;
    this.#free.push(transfer);
    if (!dma.write(this.#core.listBase(Reg.UTRLBA) + utrdOcsOffset(index), this.#ocs)) return this.fatal(Is.SBFES);
    registers.clearBits(Reg.UTRLDBR, 1 << index);
    registers.setBits(Reg.UTRLCNR, 1 << index);
    if (transfer.fault?.kind === "lostInterrupt") return;
    this.#aggregation.completed(transfer.utrd.interrupt || ocs !== Ocs.SUCCESS);
  }

  #abandon(index: number): void {
    const transfer = this.#running[index];
    if (transfer === null || transfer === undefined) return;
    this.#running[index] = null;
    transfer.cancelDelay?.();
    transfer.cancelDelay = null;
    transfer.isOrphan = transfer.runner.abandon();
    if (transfer.isOrphan) this.#orphans++;
    else this.#free.push(transfer);
  }

  #orphanEnded(transfer: Transfer): void {
    this.#orphans--;
    this.#free.push(transfer);
    this.schedule();
    if (this.isQuiet) this.#onQuiet();
  }
}
