import { readU32Le, readU64Le, writeU32Le, writeU64Le } from "./bytes.js";

/** Bytes of one PRDT entry. */
export const PRDT_ENTRY_BYTES = 16;

/** The most bytes one entry may describe. */
export const PRDT_DATA_BYTE_COUNT_MAX = 262_144;

/**
 * The address of the memory that the entry at `at` describes.
 *
 * @kernel include/ufs/ufshci.h: struct ufshcd_sg_entry
 */
export function prdtAddress(from: Uint8Array, at: number): number {
  return readU64Le(from, at);
}

/** How many bytes the entry at `at` describes. The wire holds the number minus one, in 18 bits. */
export function prdtBytes(from: Uint8Array, at: number): number {
  return (readU32Le(from, at + 12) & (PRDT_DATA_BYTE_COUNT_MAX - 1)) + 1;
}

/** Writes an entry of 16 bytes at `at`; `bytes` is 1 to 262144 and a multiple of 4. */
export function buildPrdtEntry(into: Uint8Array, at: number, address: number, bytes: number): void {
  writeU64Le(into, at, address);
  writeU32Le(into, at + 8, 0);
  writeU32Le(into, at + 12, bytes - 1);
}
