import { readU16Le, readU32Le, readU64Le, writeU16Le, writeU32Le, writeU64Le } from "../ufshci/index.js";

/** Registers of an eMMC command queue engine. @kernel drivers/mmc/host/cqhci.h */
export const CqReg = {
  CAP: 0x04,
  CFG: 0x08,
  IS: 0x10,
  /** What sets IS, and what of it interrupts. */
  ISTE: 0x14,
  ISGE: 0x18,
  TDLBA: 0x20,
  TDLBAU: 0x24,
  TDBR: 0x28,
  TCN: 0x2c,
  TERRI: 0x54,
} as const;

/** CAP: crypto support. */
export const CQ_CAP_CS = 0x1000_0000;

/** Bits of CFG. */
export const CqCfg = { ENABLE: 0x1, CRYPTO_GENERAL_ENABLE: 0x2, TASK_DESC_128: 0x100 } as const;

/** Bits of IS. */
export const CqIs = {
  /** A task completed. */
  TCC: 0x2,
  /** The device reports an error. */
  RED: 0x4,
  /** General crypto error. */
  GCE: 0x10,
  /** Invalid crypto configuration. */
  ICCE: 0x20,
} as const;

/** Tasks at a time; the 32nd slot is for commands without data, which are not modelled. */
export const CQ_SLOTS = 31;

/** Bytes a slot has in the list: task descriptor and link descriptor, 16 each. */
export const CQ_SLOT_BYTES = 32;

/** Bytes of a transfer descriptor. */
export const CQ_TRANSFER_BYTES = 16;

/** Most bytes of one transfer descriptor; the wire has 16 bits, where 0 means this. */
export const CQ_TRANSFER_MAX_BYTES = 65_536;

const VALID_END_INT = 0x7;
const [VALID, END] = [0x1, 0x2];
const ACT_TASK = 0x5 << 3;
const ACT_LINK = 0x6 << 3;
const ACT_TRANSFER = 0x4 << 3;
const READ = 1 << 12;
/** Bit 47 of word 1, in its high half. */
const CRYPTO_ENABLE = 1 << 15;

/** Of TERRI, which has other bits for commands that failed. */
const [DATA_ERROR_TASK_LSB, DATA_ERROR_VALID] = [24, 0x8000_0000];

/** A task: a read or write of whole 512-byte sectors. */
export interface CqTask {
  read: boolean;
  sector: number;
  sectors: number;
  cryptoEnable: boolean;
  /** Keyslot; 8 bits. */
  cryptoConfigIndex: number;
  /** All 32 bits there are. */
  dun: number;
}

/** A task with nothing in it. */
export function newCqTask(): CqTask {
  return { read: false, sector: 0, sectors: 0, cryptoEnable: false, cryptoConfigIndex: 0, dun: 0 };
}

/**
 * Writes a 128-bit task descriptor and the link to its transfer descriptors.
 *
 * @kernel drivers/mmc/host/cqhci-core.c: cqhci_prep_task_desc; drivers/mmc/host/cqhci-crypto.h: cqhci_crypto_prep_task_desc
 */
export function buildCqSlot(into: Uint8Array, at: number, task: Readonly<CqTask>, transfersAddress: number): void {
  writeU32Le(into, at, VALID_END_INT | ACT_TASK | (task.read ? READ : 0) | (task.sectors << 16));
  writeU32Le(into, at + 4, task.sector);
  writeU32Le(into, at + 8, task.dun);
  writeU32Le(into, at + 12, task.cryptoConfigIndex | (task.cryptoEnable ? CRYPTO_ENABLE : 0));
  writeU32Le(into, at + 16, VALID | ACT_LINK);
  writeU64Le(into, at + 20, transfersAddress);
  writeU32Le(into, at + 28, 0);
}

/** Reads the task descriptor at `at`, and returns where its transfer descriptors are. */
export function parseCqSlot(from: Uint8Array, at: number, task: CqTask): number {
  task.read = (readU32Le(from, at) & READ) !== 0;
  task.sectors = readU16Le(from, at + 2);
  task.sector = readU32Le(from, at + 4);
  task.dun = readU32Le(from, at + 8);
  task.cryptoConfigIndex = from[at + 12]!;
  task.cryptoEnable = (readU16Le(from, at + 12) & CRYPTO_ENABLE) !== 0;
  return readU64Le(from, at + 20);
}

/** Writes a transfer descriptor: 1 to 65536 bytes at an address. */
export function buildCqTransfer(into: Uint8Array, at: number, address: number, bytes: number, last: boolean): void {
  into[at] = VALID | (last ? END : 0) | ACT_TRANSFER;
  into[at + 1] = 0;
  writeU16Le(into, at + 2, bytes);
  writeU64Le(into, at + 4, address);
  writeU32Le(into, at + 12, 0);
}

/** Reads a transfer descriptor. */
export function parseCqTransfer(from: Uint8Array, at: number): { address: number; bytes: number; last: boolean } {
  return {
    address: readU64Le(from, at + 4),
    bytes: readU16Le(from, at + 2) || CQ_TRANSFER_MAX_BYTES,
    last: (from[at]! & END) !== 0,
  };
}

/** TERRI of a data transfer that failed. @kernel drivers/mmc/host/cqhci.h: CQHCI_TERRI_D_TASK, CQHCI_TERRI_D_VALID */
export function buildCqTaskError(slot: number): number {
  return (DATA_ERROR_VALID | (slot << DATA_ERROR_TASK_LSB)) >>> 0;
}

/** The slot of the data transfer that TERRI says has failed; -1: of none. */
export function parseCqTaskError(terri: number): number {
  return (terri & DATA_ERROR_VALID) === 0 ? -1 : (terri >>> DATA_ERROR_TASK_LSB) & 0x1f;
}
