import { BlkError, BlkMqTagSet, BlkStatus, type BlockLayer } from "@inlinecrypt/blk-core";
import { type BlkCryptoProfile, Device } from "@inlinecrypt/blk-crypto-profile";
import { Cap, Is, type Mmio, newUpiuHeader, Ocs, PRDT_ENTRY_BYTES, Reg } from "../ufshci/index.js";
import { deviceInit, hbaEnable, hbaStop } from "./controller-start.js";
import type { HostMemory } from "./host-memory.js";
import type { InterruptLine } from "./interrupt-line.js";
import { ReservedSlot } from "./reserved-slot.js";
import { scsiCmdOf } from "./scsi-cmd.js";
import { ABORTED, type Disposition, decideDisposition, HOST_LOST } from "./scsi-disposition.js";
import { scanHost } from "./scsi-scan.js";
import { TaskRequestList } from "./task-list.js";
import { TransferRequestList } from "./transfer-list.js";
import { UfsErrorHandler } from "./ufs-error-handler.js";
import type { UfsLun } from "./ufs-lun.js";
import { UfsPm } from "./ufs-pm.js";
import { type KeysInPrdt, type UfsVariant, ufshciVariant } from "./ufs-variant.js";
import { type HbaCrypto, initCryptoCapabilities } from "./ufshcd-crypto.js";
import { UIC_INTERRUPTS, UicCommands } from "./uic-commands.js";

/** After these nothing works until the controller is reset. @kernel include/ufs/ufshci.h: INT_FATAL_ERRORS */
const FATAL_ERRORS = Is.DFES | Is.HCFES | Is.SBFES | Is.CEFES;
/** @kernel drivers/ufs/core/ufshcd.c: UFSHCD_ENABLE_INTRS */
const ENABLED_INTERRUPTS = Is.UTRCS | Is.UTMRCS | Is.UE | FATAL_ERRORS;
/** Rounds of one interrupt; what is left then waits for the next turn of the event loop. */
const MAX_ROUNDS = 32;
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface UfsHbaOptions {
  /** The controller's registers. */
  mmio: Mmio;
  /** Memory the controller reaches; nothing else allocates from it. */
  memory: HostMemory;
  /** The controller's interrupt. */
  irq: InterruptLine;
  /**
   * As it appears in messages, and before the names of the disks.
   *
   * @default "ufs0"
   */
  name?: string;
  /** @default ufshciVariant */
  variant?: UfsVariant;
  /**
   * How long a command may take before it is aborted, milliseconds.
   *
   * @default 30000
   */
  commandTimeoutMs?: number;
  /**
   * Milliseconds without I/O after which link and device sleep; null: never by themselves.
   *
   * @default null
   */
  autosuspendMs?: number | null;
}

/** `failed`: the controller did not come back from a reset. */
export type HbaState = "resetting" | "operational" | "failed" | "closed";

/**
 * A UFS host controller, driven: what its parts share, interrupts, and how commands end.
 *
 * @kernel drivers/ufs/core/ufshcd.c; include/ufs/ufshcd.h: ufs_hba
 */
export class UfsHba implements AsyncDisposable {
  readonly layer: BlockLayer;
  readonly name: string;
  readonly mmio: Mmio;
  readonly memory: HostMemory;
  readonly variant: UfsVariant;
  readonly commandTimeoutMs: number;
  /** What was acquired for the controller; detached when it closes. */
  readonly device: Device;
  readonly uic: UicCommands;
  readonly transfers: TransferRequestList;
  readonly tasks: TaskRequestList;
  readonly reserved: ReservedSlot;
  readonly errorHandler: UfsErrorHandler;
  readonly pm: UfsPm;
  /** The slots that requests of all logical units share: all but the reserved one. */
  readonly tagSet: BlkMqTagSet;
  /** Null when the controller does not encrypt, or must not. @kernel UFSHCD_CAP_CRYPTO, cleared */
  readonly crypto: HbaCrypto | null;
  state: HbaState = "resetting";
  readonly #irq: InterruptLine;
  readonly #response = newUpiuHeader();
  #luns: readonly UfsLun[] = [];
  #enabledInterrupts = 0;
  #closing: Promise<void> | null = null;

  private constructor(layer: BlockLayer, options: UfsHbaOptions) {
    const { mmio, memory, irq, name = "ufs0", variant = ufshciVariant } = options;
    const { commandTimeoutMs = 30_000, autosuspendMs = null } = options;
    const { executor } = layer;
    checkMs("commandTimeoutMs", commandTimeoutMs);
    if (autosuspendMs !== null) checkMs("autosuspendMs", autosuspendMs);
    this.layer = layer;
    this.name = name;
    this.mmio = mmio;
    this.memory = memory;
    this.variant = variant;
    this.commandTimeoutMs = commandTimeoutMs;
    this.device = new Device(name);
    this.#irq = irq;
    const cap = mmio.read32(Reg.CAP);
    const slotCount = (cap & Cap.NUTRS_MASK) + 1;
    const taskSlotCount = ((cap & Cap.NUTMRS_MASK) >>> Cap.NUTMRS_LSB) + 1;
    if (slotCount < 2) throw new BlkError("ENODEV", name, "the controller has 1 transfer slot, expected at least 2");
    this.uic = new UicCommands(mmio, executor);
    this.pm = new UfsPm(this, autosuspendMs);
    this.crypto = initCryptoCapabilities(this);
    const entryBytes = this.keysInPrdt?.entryBytes ?? PRDT_ENTRY_BYTES;
    this.transfers = new TransferRequestList(mmio, executor, memory, slotCount, entryBytes);
    this.tasks = new TaskRequestList(mmio, executor, memory, taskSlotCount);
    this.reserved = new ReservedSlot(this, this.transfers, this.transfers.lrbs[slotCount - 1]!);
    this.tagSet = new BlkMqTagSet({ queueDepth: slotCount - 1 });
    this.errorHandler = new UfsErrorHandler(this);
  }

  /**
   * Starts a controller and its device, and finds the disks.
   *
   * @throws BlkError EINVAL for times out of range, ENODEV when there is no device, EIO or ETIMEDOUT when it does not work,
   * whatever the crypto profile could not be made for. Everything acquired has been given back then.
   * @kernel drivers/ufs/core/ufshcd.c: ufshcd_init, ufshcd_async_scan
   */
  static async probe(layer: BlockLayer, options: UfsHbaOptions): Promise<UfsHba> {
    const hba = new UfsHba(layer, options);
    try {
      await hba.#probe();
      return hba;
    } catch (error) {
      await hba.#teardown();
      throw error;
    }
  }

  /** The disks found, in order of their numbers. */
  get luns(): readonly UfsLun[] {
    return this.#luns;
  }

  get cryptoProfile(): BlkCryptoProfile | null {
    return this.crypto?.profile ?? null;
  }

  /** How keys get into PRDT entries; without encryption these are UFSHCI's, whatever the variant. */
  get keysInPrdt(): KeysInPrdt | undefined {
    return this.crypto === null ? undefined : this.variant.keysInPrdt;
  }

  /** Whether a request may be sent now. RESOURCE: soon. IOERR: no more. @context hot */
  get admission(): BlkStatus {
    if (this.state === "operational") return this.pm.admission;
    return this.state === "resetting" ? BlkStatus.RESOURCE : BlkStatus.IOERR;
  }

  /** Has UIC interrupts come: all that is needed until the lists run. */
  enableUicInterrupts(): void {
    this.#setInterrupts(UIC_INTERRUPTS);
  }

  enableAllInterrupts(): void {
    this.#setInterrupts(UIC_INTERRUPTS | ENABLED_INTERRUPTS);
  }

  /** None come any more, and what came is forgotten. */
  disableInterrupts(): void {
    this.#setInterrupts(0);
    this.mmio.write32(Reg.IS, this.mmio.read32(Reg.IS));
  }

  /** Ends the commands that the controller is done with. @kernel drivers/ufs/core/ufshcd.c: ufshcd_transfer_req_compl */
  completeTransfers(): void {
    for (let slots = this.transfers.takeCompleted(); slots !== 0; slots &= slots - 1) {
      this.#completeSlot(lowestBit(slots));
    }
  }

  /** Ends, or has tried again, a command that was taken back from the controller. */
  abandonSlot(slot: number): void {
    const lrb = this.transfers.lrbs[slot]!;
    if (lrb === this.reserved.lrb) return this.reserved.cutShort();
    this.#endCommand(slot, this.state === "failed" ? HOST_LOST : ABORTED);
  }

  /** The controller has been stopped: all commands on their way are over. */
  abandonAll(): void {
    for (let slots = this.transfers.takeAll(); slots !== 0; slots &= slots - 1) this.abandonSlot(lowestBit(slots));
  }

  /** Offers waiting requests again. */
  runQueues(): void {
    for (const lun of this.luns) lun.queue.run();
  }

  /**
   * Refuses new I/O, waits for what was accepted, flushes, stops device and controller, empties all keyslots and gives
   * everything back. Idempotent.
   *
   * @kernel drivers/ufs/core/ufshcd.c: ufshcd_remove
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #probe(): Promise<void> {
    this.disableInterrupts();
    this.#irq.request(() => this.#interrupt());
    this.crypto?.engine?.clearAll();
    await hbaEnable(this);
    await deviceInit(this);
    this.state = "operational";
    this.#luns = await scanHost(this);
    this.pm.touch();
  }

  async #teardown(): Promise<void> {
    // A recovery on its way would start again what is stopped here.
    await this.errorHandler.idle();
    this.state = "closed";
    this.pm.stop();
    this.disableInterrupts();
    this.#irq.free();
    await hbaStop(this).catch(() => {});
    this.abandonAll();
    this.crypto?.engine?.clearAll();
    await this.device[Symbol.asyncDispose]();
  }

  async #close(): Promise<void> {
    await this.pm.prepareToClose();
    await Promise.all(this.luns.map((lun) => lun.disk.close()));
    await this.errorHandler.idle();
    await this.pm.powerDown();
    await this.#teardown();
  }

  #setInterrupts(mask: number): void {
    this.#enabledInterrupts = mask;
    this.mmio.write32(Reg.IE, mask);
  }

  /** @context interrupt. @kernel drivers/ufs/core/ufshcd.c: ufshcd_intr, ufshcd_sl_intr */
  #interrupt(): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const pending = this.mmio.read32(Reg.IS) & this.#enabledInterrupts;
      if (pending === 0) return;
      this.mmio.write32(Reg.IS, pending);
      if ((pending & UIC_INTERRUPTS) !== 0) this.uic.interrupt(pending);
      if ((pending & Is.UTMRCS) !== 0) this.tasks.interrupt();
      if ((pending & Is.UTRCS) !== 0) this.completeTransfers();
      if ((pending & (FATAL_ERRORS | Is.UE)) !== 0) this.#errorInterrupt(pending);
    }
  }

  /** @kernel drivers/ufs/core/ufshcd.c: ufshcd_check_errors */
  #errorInterrupt(pending: number): void {
    if ((pending & FATAL_ERRORS) === 0) return;
    this.layer.tracer?.trace("ufshcd_check_errors", { host: this.name, is: pending });
    this.errorHandler.scheduleReset("the controller reports a fatal error");
  }

  #completeSlot(slot: number): void {
    const lrb = this.transfers.lrbs[slot]!;
    if (lrb === this.reserved.lrb) return this.reserved.completed();
    const ocs = this.transfers.ocs(lrb);
    if (ocs !== Ocs.SUCCESS) {
      this.layer.tracer?.trace("ufshcd_transfer_rsp_status", { host: this.name, tag: slot, ocs });
    }
    this.#endCommand(slot, decideDisposition(ocs, lrb.ucd, this.#response));
  }

  #endCommand(slot: number, disposition: Disposition): void {
    const lrb = this.transfers.lrbs[slot]!;
    const rq = lrb.rq!;
    this.transfers.release(lrb);
    this.pm.touch();
    scsiCmdOf(rq).finish(rq, disposition, this.commandTimeoutMs);
  }
}

function checkMs(name: string, value: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= MAX_TIMER_MS) return;
  throw new BlkError("EINVAL", "ufshcd_init", `${name} is ${value}, expected 1 to ${MAX_TIMER_MS}`);
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
