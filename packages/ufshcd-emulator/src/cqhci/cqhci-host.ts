import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import type { ControllerClock } from "../controller/clock.js";
import { CryptoEngine } from "../controller/crypto-engine.js";
import { UfsEvents } from "../controller/events.js";
import { FaultPlan } from "../controller/fault-plan.js";
import { type Dma, type IrqLine, type Mmio, Ocs, UfsCryptoAlg, UfsCryptoKeySize } from "../ufshci/index.js";
import {
  buildCqTaskError,
  CQ_CAP_CS,
  CQ_SLOT_BYTES,
  CQ_SLOTS,
  CQ_TRANSFER_BYTES,
  CqCfg,
  CqIs,
  CqReg,
  newCqTask,
  parseCqSlot,
  parseCqTransfer,
} from "./cqhci-layout.js";

const CRYPTOCFG_OFFSET = 0x400;
const SECTOR_BYTES = 512;
const ANY_DATA_UNIT = 0xff;
/** Registers where a 1 clears. */
const W1C: readonly number[] = [CqReg.IS, CqReg.TCN];
const MAX_TRANSFERS = 1024;
const MAX_KEYSLOTS = 32;

export interface CqhciHostOptions {
  readonly dma: Dma;
  readonly irq: IrqLine;
  readonly clock: ControllerClock;
  readonly engine: SkcipherEngine;
  /** What is on the card; a multiple of 512 bytes. */
  readonly medium: Uint8Array;
  /**
   * 1 to 32.
   *
   * @default 4
   */
  readonly keyslots?: number;
}

/**
 * An eMMC host with a command queue engine that encrypts: like UFSHCI's in keyslots and capabilities, with DUNs of 32 bits
 * in the task descriptor. Only what encryption needs is modelled: queued reads and writes of a card that is always there.
 */
export class CqhciHost implements Mmio {
  /** Keyslots programmed and cleared. */
  readonly events: UfsEvents = new UfsEvents();
  readonly #options: CqhciHostOptions;
  readonly #crypto: CryptoEngine;
  readonly #registers = new Map<number, number>();
  readonly #task = newCqTask();
  readonly #slot = new Uint8Array(CQ_SLOT_BYTES);
  #high = false;

  /** @throws RangeError for a number out of its range. */
  constructor(options: CqhciHostOptions) {
    checkOptions(options);
    this.#options = options;
    const cap = {
      algorithm: UfsCryptoAlg.AES_XTS,
      keySize: UfsCryptoKeySize.BITS_256,
      dataUnitSizeMask: ANY_DATA_UNIT,
    };
    const { engine, keyslots: slotCount = 4 } = options;
    const crypto = { caps: [cap], slotCount, engine, configOffsetBytes: CRYPTOCFG_OFFSET };
    this.#crypto = new CryptoEngine(crypto, this.events, new FaultPlan());
    for (const [offset, value] of this.#crypto.resetValues()) this.#registers.set(offset, value);
    this.#registers.set(CqReg.CAP, CQ_CAP_CS);
  }

  read32(offset: number): number {
    return this.#crypto.contains(offset) ? this.#crypto.read(offset) : this.#get(offset);
  }

  write32(offset: number, value: number): void {
    if (this.#crypto.contains(offset)) return this.#crypto.write(offset, value >>> 0);
    if (offset === CqReg.TDBR) return this.#ring(value);
    if (W1C.includes(offset)) this.#clear(offset, value);
    else if (offset < 0x100 && offset !== CqReg.CAP && offset !== CqReg.TERRI) this.#set(offset, value);
    this.#drive();
  }

  /** The card and its host lose power: tasks and keys are gone. */
  powerCycle(): void {
    this.#crypto.clearAll();
    this.#set(CqReg.CFG, 0);
    this.#set(CqReg.TDBR, 0);
    this.#set(CqReg.IS, 0);
    this.#drive();
  }

  #get(offset: number): number {
    return this.#registers.get(offset) ?? 0;
  }

  #set(offset: number, value: number): void {
    this.#registers.set(offset, value >>> 0);
  }

  /** An engine that has halted goes on once software has seen the error. */
  #clear(offset: number, bits: number): void {
    const wasHalted = this.#isHalted;
    this.#set(offset, this.#get(offset) & ~bits);
    if (wasHalted && !this.#isHalted) this.#options.clock.defer(() => this.#runAll());
  }

  get #isHalted(): boolean {
    return (this.#get(CqReg.IS) & (CqIs.RED | CqIs.GCE | CqIs.ICCE)) !== 0;
  }

  #ring(slots: number): void {
    if ((this.#get(CqReg.CFG) & CqCfg.ENABLE) === 0) return;
    this.#set(CqReg.TDBR, this.#get(CqReg.TDBR) | slots);
    this.#options.clock.defer(() => this.#runAll());
  }

  #runAll(): void {
    for (let slot = 0; slot < CQ_SLOTS; slot++) {
      if (!this.#isHalted && (this.#get(CqReg.TDBR) & (1 << slot)) !== 0) this.#run(slot);
    }
  }

  #run(slot: number): void {
    const at = this.#get(CqReg.TDLBAU) * 0x1_0000_0000 + this.#get(CqReg.TDLBA) + slot * CQ_SLOT_BYTES;
    const failure = this.#options.dma.read(at, this.#slot) ? this.#execute() : CqIs.RED;
    this.#set(CqReg.TDBR, this.#get(CqReg.TDBR) & ~(1 << slot));
    if (failure !== 0) this.#set(CqReg.TERRI, buildCqTaskError(slot));
    else this.#set(CqReg.TCN, this.#get(CqReg.TCN) | (1 << slot));
    this.#set(CqReg.IS, this.#get(CqReg.IS) | (failure || CqIs.TCC));
    this.#drive();
  }

  /** Does the task in `#slot`; 0, or the bit of IS that says what failed. */
  #execute(): number {
    const task = this.#task;
    const address = parseCqSlot(this.#slot, 0, task);
    const bytes = task.sectors * SECTOR_BYTES;
    const start = task.sector * SECTOR_BYTES;
    if (start + bytes > this.#options.medium.length) return CqIs.RED;
    if (task.cryptoEnable && !this.#isCryptable(bytes)) return CqIs.ICCE;
    const data = new Uint8Array(bytes);
    const onCard = this.#options.medium.subarray(start, start + bytes);
    if (!task.read && !this.#transfer(address, data)) return CqIs.RED;
    if (!this.#crypt(task.read ? onCard : data, task.read ? data : onCard)) return CqIs.GCE;
    return task.read && !this.#transfer(address, data) ? CqIs.RED : 0;
  }

  /** Whether the engine takes the task: whole data units, by a slot that has a key. */
  #isCryptable(bytes: number): boolean {
    const { cryptoConfigIndex } = this.#task;
    if ((this.#get(CqReg.CFG) & CqCfg.CRYPTO_GENERAL_ENABLE) === 0) return false;
    if (this.#crypto.check(cryptoConfigIndex) !== Ocs.SUCCESS) return false;
    return bytes % this.#crypto.slot(cryptoConfigIndex)!.dataUnitBytes === 0;
  }

  #crypt(source: Uint8Array, target: Uint8Array): boolean {
    const { cryptoEnable, cryptoConfigIndex, dun, read } = this.#task;
    if (!cryptoEnable) {
      target.set(source);
      return true;
    }
    const slot = this.#crypto.slot(cryptoConfigIndex)!;
    return this.#crypto.crypt(read ? "decrypt" : "encrypt", slot, slot.version, source, target, dun, 0, 0);
  }

  /** Moves all of `data` to or from the memory the descriptors list. */
  #transfer(address: number, data: Uint8Array): boolean {
    const { dma } = this.#options;
    const descriptor = new Uint8Array(CQ_TRANSFER_BYTES);
    for (let index = 0, done = 0; index < MAX_TRANSFERS; index++) {
      if (!dma.read(address + index * CQ_TRANSFER_BYTES, descriptor)) return false;
      const transfer = parseCqTransfer(descriptor, 0);
      const piece = data.subarray(done, done + transfer.bytes);
      if (!(this.#task.read ? dma.write(transfer.address, piece) : dma.read(transfer.address, piece))) return false;
      done += piece.length;
      if (transfer.last || done === data.length) return done === data.length;
    }
    return false;
  }

  #drive(): void {
    const high = (this.#get(CqReg.IS) & this.#get(CqReg.ISGE)) !== 0;
    if (high === this.#high) return;
    this.#high = high;
    if (high) this.#options.irq.raise();
    else this.#options.irq.lower();
  }
}

function checkOptions({ keyslots = 1, medium }: CqhciHostOptions): void {
  if (!Number.isInteger(keyslots) || keyslots < 1 || keyslots > MAX_KEYSLOTS) {
    throw new RangeError(`keyslots is ${keyslots}, expected 1 to ${MAX_KEYSLOTS}`);
  }
  if (medium.length === 0 || medium.length % SECTOR_BYTES !== 0) {
    throw new RangeError(`the medium has ${medium.length} bytes, expected a multiple of ${SECTOR_BYTES}, and not 0`);
  }
}
