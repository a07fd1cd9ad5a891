import { WorkItem } from "@inlinecrypt/blk-core";
import type { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import type { InterruptLine, Mmio } from "@inlinecrypt/ufshcd-emulator/driver";
import type { HostMemory } from "../../../src/driver/host-memory.js";

/** Offsets by hand: the driver's come from `ufshci`, which this model is to check as well. */
const [CAP, IS, IE, HCS, HCE, UTRLDBR, UTRLBA, UICCMD, UCMDARG2, UCMDARG3, CCAP, CRYPTOCAP] = [
  0x00, 0x20, 0x24, 0x30, 0x34, 0x58, 0x50, 0x90, 0x98, 0x9c, 0x100, 0x104,
];
const UCRDY = 0x8;
const ALL_READY = 0xf;

export interface ScriptedHostOptions {
  /** CAP besides the numbers of slots. Bit 28: crypto. */
  capBits?: number;
  /** Transfer slots. */
  slotCount?: number;
  ccap?: number;
  cryptoCaps?: readonly number[];
}

/** A command as the model found it in memory. */
export interface SeenCommand {
  slot: number;
  /** The descriptor's first 16 bytes. */
  header: Uint8Array;
  upiu: Uint8Array;
  /** Address and bytes of each PRDT entry. */
  prdt: { address: number; bytes: number }[];
}

/** What a model answers to a SCSI command; undefined: success, and data as it sees fit. */
export interface ScsiAnswer {
  ocs?: number;
  status?: number;
  sense?: [key: number, asc: number, ascq: number];
  residualBytes?: number;
}

/**
 * A controller of a few lines, written from the specification's offsets, that remembers every register write and every
 * command. One logical unit of 1024 blocks of 4096 bytes, in memory.
 */
export class ScriptedHost implements Mmio {
  readonly writes: { offset: number; value: number }[] = [];
  readonly commands: SeenCommand[] = [];
  readonly medium: Uint8Array = new Uint8Array(1024 * 4096);
  /** Asked before every read and write of data; later answers for other commands than these never differ. */
  script: (cdb: Uint8Array) => ScsiAnswer | undefined = () => undefined;
  readonly #registers = new Map<number, number>();
  readonly #executor: SimExecutor;
  readonly #memory: HostMemory;
  readonly #irq: InterruptLine;

  constructor(executor: SimExecutor, memory: HostMemory, irq: InterruptLine, options: ScriptedHostOptions = {}) {
    this.#executor = executor;
    this.#memory = memory;
    this.#irq = irq;
    const { capBits = 0, slotCount = 32, ccap = 0, cryptoCaps = [] } = options;
    this.#registers.set(CAP, (capBits | (7 << 16) | (slotCount - 1)) >>> 0);
    this.#registers.set(CCAP, ccap);
    cryptoCaps.forEach((cap, index) => {
      this.#registers.set(CRYPTOCAP + 4 * index, cap);
    });
  }

  read32(offset: number): number {
    return this.#registers.get(offset) ?? 0;
  }

  write32(offset: number, value: number): void {
    this.writes.push({ offset, value });
    if (offset === IS) this.#set(IS, this.read32(IS) & ~value);
    else if (offset === UTRLDBR) this.#ring(value);
    else this.#set(offset, value);
    if (offset === HCE) this.#set(HCS, (value & 1) === 0 ? 0 : UCRDY);
    if (offset === UICCMD) this.#defer(() => this.#uicDone());
    if (offset === IS || offset === IE) this.#drive();
  }

  /** Offsets and values of the writes from `from` up to, not including, `end`. */
  writesIn(from: number, end: number): [number, number][] {
    return this.writes
      .filter(({ offset }) => offset >= from && offset < end)
      .map(({ offset, value }) => [offset, value]);
  }

  #set(offset: number, value: number): void {
    this.#registers.set(offset, value >>> 0);
  }

  #defer(run: () => void): void {
    this.#executor.queueWork(new WorkItem(run));
  }

  #interrupt(bits: number): void {
    this.#set(IS, this.read32(IS) | bits);
    this.#drive();
  }

  #drive(): void {
    if ((this.read32(IS) & this.read32(IE)) !== 0) this.#irq.raise();
    else this.#irq.lower();
  }

  #uicDone(): void {
    this.#set(HCS, ALL_READY | (1 << 8));
    this.#set(UCMDARG2, 0);
    this.#set(UCMDARG3, 1);
    // UCCS, and UPMS for whoever waits for it.
    this.#interrupt(0x400 | 0x10);
  }

  #ring(slots: number): void {
    this.#set(UTRLDBR, this.read32(UTRLDBR) | slots);
    for (let slot = 0; slot < 32; slot++) {
      if ((slots & (1 << slot)) !== 0) this.#defer(() => this.#execute(slot));
    }
  }

  #execute(slot: number): void {
    const at = this.read32(UTRLBA) + slot * 32;
    const utrd = this.#memory.view(at, 32)!;
    const view = new DataView(utrd.buffer, utrd.byteOffset, 32);
    const base = Number(view.getBigUint64(16, true));
    const upiu = this.#memory.view(base, 32)!;
    const response = this.#memory.view(base + view.getUint16(26, true) * 4, 64)!;
    const prdtAt = base + view.getUint16(30, true) * 4;
    const prdt = Array.from({ length: view.getUint16(28, true) }, (_, index) => this.#prdtEntry(prdtAt + 16 * index));
    this.commands.push({ slot, header: utrd.slice(0, 16), upiu: upiu.slice(), prdt });
    utrd[8] = this.#answer(upiu, response.fill(0), prdt);
    this.#set(UTRLDBR, this.read32(UTRLDBR) & ~(1 << slot));
    this.#interrupt(1);
  }

  #prdtEntry(address: number): { address: number; bytes: number } {
    const entry = this.#memory.view(address, 16)!;
    const view = new DataView(entry.buffer, entry.byteOffset, 16);
    return { address: Number(view.getBigUint64(0, true)), bytes: (view.getUint32(12, true) & 0x3ffff) + 1 };
  }

  /** Fills in the response and returns the OCS. */
  #answer(upiu: Uint8Array, response: Uint8Array, prdt: SeenCommand["prdt"]): number {
    response[0] = (upiu[0]! & 0x3f) | 0x20;
    if (upiu[0] === 0x16) return this.#query(upiu, response);
    if (upiu[0] !== 0x01) return 0;
    const cdb = upiu.subarray(16, 32);
    const answer = this.script(cdb);
    if (answer?.ocs !== undefined) return answer.ocs;
    response[7] = answer?.status ?? 0;
    new DataView(response.buffer, response.byteOffset).setUint32(12, answer?.residualBytes ?? 0);
    if (answer?.sense !== undefined) {
      response[11] = 20;
      response.set([0, 18, 0x70, 0, answer.sense[0]], 32);
      response.set([answer.sense[1], answer.sense[2]], 46);
    }
    if (response[7] === 0) this.#scsi(cdb, prdt);
    return 0;
  }

  #query(upiu: Uint8Array, response: Uint8Array): number {
    response.set(upiu.subarray(12, 20), 12);
    if (upiu[12] !== 0x01) return 0;
    // Device descriptor: one unit. Unit descriptor: enabled.
    response[11] = 32;
    response.set(upiu[13] === 0 ? [32, 0, 0, 0, 0, 0, 1] : [32, 2, 0, 1], 32);
    return 0;
  }

  #scsi(cdb: Uint8Array, prdt: SeenCommand["prdt"]): void {
    const block = new DataView(cdb.buffer, cdb.byteOffset).getUint32(2);
    let at = block * 4096;
    for (const { address, bytes } of prdt) {
      const memory = this.#memory.view(address, bytes)!;
      if (cdb[0] === 0x2a) this.medium.set(memory, at);
      else if (cdb[0] === 0x28) memory.set(this.medium.subarray(at, at + bytes));
      else if (cdb[0] !== 0x42) memory.set(controlData(cdb).slice(0, bytes));
      at += bytes;
    }
  }
}

/** Data of INQUIRY, REPORT LUNS, READ CAPACITY (16) and MODE SENSE (10). */
function controlData(cdb: Uint8Array): Uint8Array {
  const data = new Uint8Array(4096);
  if (cdb[0] === 0xa0) data[3] = 8;
  else if (cdb[0] === 0x9e) data.set([0, 0, 0, 0, 0, 0, 0x03, 0xff, 0, 0, 0x10, 0]);
  else if (cdb[0] === 0x5a) data.set([0, 18, 0, 0x10, 0, 0, 0, 0, 0x08, 10, 0x04]);
  else if (cdb[0] === 0x12 && cdb[2] === 0x00 && cdb[1] === 1) data.set([0, 0, 0, 3, 0x00, 0xb0, 0xb2]);
  else if (cdb[0] === 0x12 && cdb[2] === 0xb0) data.set([0, 0, 1, 0, 0, 0, 0, 1], 20);
  else if (cdb[0] === 0x12 && cdb[2] === 0xb2) data[5] = 0x80;
  return data;
}
