import { BlkBug, type Executor } from "@inlinecrypt/blk-core";
import {
  buildPrdtEntry,
  buildUpiuHeader,
  buildUtrd,
  DataDirection,
  type Mmio,
  Ocs,
  Reg,
  UTRD_BYTES,
  utrdOcsOffset,
} from "../ufshci/index.js";
import { pollUntil } from "./completion.js";
import type { CoherentBuffer, HostMemory } from "./host-memory.js";
import { Lrb, PRDT_AT } from "./lrb.js";

/** Most runs of memory in one command. @kernel include/scsi/scsi_host.h: SG_ALL */
export const MAX_SEGMENTS = 128;

/** UTRLBA takes addresses in units of this. */
const LIST_ALIGN = 1024;
/** A command descriptor's address has 7 reserved bits. */
const DESCRIPTOR_ALIGN = 128;
/** How long a slot may take to be cleared. */
const CLEAR_TIMEOUT_MS = 1000;

/**
 * The transfer request list: descriptors in memory, and the doorbell that tells the controller about them.
 *
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_memory_alloc, ufshcd_send_command, ufshcd_transfer_req_compl
 */
export class TransferRequestList {
  /** One for each slot. */
  readonly lrbs: readonly Lrb[];
  readonly prdtEntryBytes: number;
  readonly #mmio: Mmio;
  readonly #executor: Executor;
  readonly #memory: HostMemory;
  readonly #list: CoherentBuffer;
  /** A bit for each slot that the controller has. */
  #outstanding = 0;
  /** A bit for each slot that is filled in, and that the controller has not been told of. */
  #unrung = 0;

  constructor(mmio: Mmio, executor: Executor, memory: HostMemory, slotCount: number, prdtEntryBytes: number) {
    this.#mmio = mmio;
    this.#executor = executor;
    this.#memory = memory;
    this.prdtEntryBytes = prdtEntryBytes;
    this.#list = memory.allocCoherent(slotCount * UTRD_BYTES, LIST_ALIGN);
    const descriptorBytes = PRDT_AT + MAX_SEGMENTS * prdtEntryBytes;
    this.lrbs = Array.from({ length: slotCount }, (_, slot) => {
      return new Lrb(slot, memory.allocCoherent(descriptorBytes, DESCRIPTOR_ALIGN), slot * MAX_SEGMENTS);
    });
  }

  /** Bus address of the list. */
  get address(): number {
    return this.#list.address;
  }

  /** Whether the controller takes commands: not while it is stopped, or starts. */
  get isRunning(): boolean {
    return (this.#mmio.read32(Reg.UTRLRSR) & 1) !== 0;
  }

  /** A bit for each slot whose command has not ended. */
  get outstanding(): number {
    return (this.#outstanding | this.#unrung) >>> 0;
  }

  isOutstanding(slot: number): boolean {
    return (this.outstanding & bit(slot)) !== 0;
  }

  /**
   * Maps a run of a command's memory and describes it in the next PRDT entry.
   *
   * @context hot
   */
  addSegment(lrb: Lrb, data: Uint8Array, offset: number, bytes: number): void {
    const address = this.#memory.map(lrb.firstWindow + lrb.mapped, data, offset, bytes);
    lrb.mapped++;
    this.#addEntry(lrb, address, bytes);
  }

  /** Describes memory of the command descriptor itself in the next PRDT entry. */
  addCoherentSegment(lrb: Lrb, at: number, bytes: number): void {
    this.#addEntry(lrb, lrb.address + at, bytes);
  }

  /**
   * Sends a command whose UPIU and PRDT are filled in. Without `ring` it waits for the next one that rings, or `ring`.
   *
   * @context hot
   * @kernel drivers/ufs/core/ufshcd.c: ufshcd_send_command
   */
  send(lrb: Lrb, ring: boolean): void {
    if (this.isOutstanding(lrb.slot)) throw new BlkBug(`slot ${lrb.slot} is in use`);
    lrb.utrd.ocs = Ocs.INVALID_COMMAND_STATUS;
    lrb.utrd.interrupt = true;
    buildUpiuHeader(lrb.ucd, 0, lrb.header);
    buildUtrd(this.#list.bytes, lrb.slot * UTRD_BYTES, lrb.utrd);
    this.#unrung |= bit(lrb.slot);
    if (ring) this.ring();
  }

  /** Tells the controller about all filled slots at once. */
  ring(): void {
    const slots = this.#unrung >>> 0;
    if (slots === 0) return;
    this.#unrung = 0;
    this.#outstanding |= slots;
    this.#mmio.write32(Reg.UTRLDBR, slots);
  }

  /** Takes the slots that the controller is done with: a bit for each. @kernel drivers/ufs/core/ufshcd.c: ufshcd_poll */
  takeCompleted(): number {
    if (this.#outstanding === 0) return 0;
    const done = (this.#outstanding & ~this.#mmio.read32(Reg.UTRLDBR)) >>> 0;
    this.#outstanding &= ~done;
    return done;
  }

  /** Takes all slots, done or not: the controller has been stopped. */
  takeAll(): number {
    const slots = this.outstanding;
    this.#outstanding = 0;
    this.#unrung = 0;
    return slots;
  }

  /** What the controller says about a command that ended: an `Ocs`. */
  ocs(lrb: Lrb): number {
    return this.#list.bytes[utrdOcsOffset(lrb.slot)]! & 0xf;
  }

  /** Gives up a command's slot; what the controller knows of it is over. */
  release(lrb: Lrb): void {
    for (let index = 0; index < lrb.mapped; index++) this.#memory.unmap(lrb.firstWindow + index);
    // @kernel drivers/ufs/core/ufshcd-crypto.h: ufshcd_crypto_clear_prdt
    if (lrb.holdsKeys) lrb.ucd.fill(0, PRDT_AT, PRDT_AT + lrb.prdtEntries * this.prdtEntryBytes);
    lrb.holdsKeys = false;
    lrb.mapped = 0;
    lrb.prdtEntries = 0;
    lrb.rq = null;
    lrb.utrd.cryptoEnable = false;
    lrb.utrd.cryptoConfigIndex = 0;
    lrb.utrd.dunLow = 0;
    lrb.utrd.dunHigh = 0;
    lrb.utrd.dataDirection = DataDirection.NONE;
  }

  /** Takes a slot back from the controller; false when it does not let go. @kernel drivers/ufs/core/ufshcd.c: ufshcd_clear_cmd */
  async clear(slot: number): Promise<boolean> {
    // From here on nobody takes the slot for one whose command has ended.
    this.#outstanding &= ~bit(slot);
    this.#mmio.write32(Reg.UTRLCLR, ~bit(slot) >>> 0);
    const isClear = (): boolean => (this.#mmio.read32(Reg.UTRLDBR) & bit(slot)) === 0;
    if (await pollUntil(this.#executor, isClear, 1, CLEAR_TIMEOUT_MS)) return true;
    this.#outstanding |= bit(slot);
    return false;
  }

  #addEntry(lrb: Lrb, address: number, bytes: number): void {
    if (lrb.prdtEntries === MAX_SEGMENTS) throw new BlkBug(`a command has more than ${MAX_SEGMENTS} runs of memory`);
    buildPrdtEntry(lrb.ucd, PRDT_AT + lrb.prdtEntries * this.prdtEntryBytes, address, bytes);
    lrb.prdtEntries++;
  }
}

function bit(slot: number): number {
  return 1 << slot;
}
