import { BlkBug } from "./errors.js";

/**
 * A data unit number: 256 bits as eight u32 limbs, limb 0 least significant. Typed arrays of 32 bits are the widest
 * integers V8 adds without allocating; `bigint` appears only at the edges.
 *
 * @kernel include/linux/blk-crypto.h: bio_crypt_ctx.bc_dun
 */
export type Dun = Uint32Array;

/** Limbs in a DUN. */
export const DUN_LIMBS = 8;

const TWO_32 = 0x1_0000_0000;
const DUN_MODULUS = 1n << 256n;

/** A DUN of its own, zero or the given number (0 to 2^256 - 1). */
export function newDun(value = 0n): Dun {
  const dun = new Uint32Array(DUN_LIMBS);
  if (value !== 0n) setDunFromBigInt(dun, value);
  return dun;
}

/** @throws BlkBug when `value` is negative or needs more than 256 bits. */
export function setDunFromBigInt(dun: Dun, value: bigint): void {
  if (value < 0n || value >= DUN_MODULUS) throw new BlkBug(`a DUN is 0 to 2^256 - 1, got ${value}`);
  let rest = value;
  for (let limb = 0; limb < DUN_LIMBS; limb++) {
    dun[limb] = Number(rest & 0xffff_ffffn);
    rest >>= 32n;
  }
}

/** The DUN as a number. */
export function dunToBigInt(dun: Dun): bigint {
  let value = 0n;
  for (let limb = DUN_LIMBS - 1; limb >= 0; limb--) value = (value << 32n) | BigInt(dun[limb]!);
  return value;
}

/** Copies all limbs of `from` into `to`. Without a loop: every encrypted bio is copied twice, and this halves the time. */
export function copyDun(to: Dun, from: Dun): void {
  to[0] = from[0]!;
  to[1] = from[1]!;
  to[2] = from[2]!;
  to[3] = from[3]!;
  to[4] = from[4]!;
  to[5] = from[5]!;
  to[6] = from[6]!;
  to[7] = from[7]!;
}

/**
 * Adds a count of data units (0 to 2^53 - 1) in place, carrying through all limbs; 2^256 - 1 plus 1 is 0.
 *
 * @kernel block/blk-crypto.c: bio_crypt_dun_increment
 */
export function dunIncrement(dun: Dun, dataUnits: number): void {
  let carry = dataUnits;
  for (let limb = 0; carry !== 0 && limb < DUN_LIMBS; limb++) {
    const sum = dun[limb]! + (carry >>> 0);
    dun[limb] = sum;
    carry = Math.floor(carry / TWO_32) + (sum >= TWO_32 ? 1 : 0);
  }
}

/**
 * Whether `next` is `dun` plus `dataUnits` (0 to 2^53 - 1). A carry into the next limb is contiguous; a wrap of all 256
 * bits to zero is not, because the two halves would then share a request whose hardware counter cannot wrap.
 *
 * @kernel block/blk-crypto.c: bio_crypt_dun_is_contiguous
 */
export function dunIsContiguous(dun: Dun, dataUnits: number, next: Dun): boolean {
  let carry = dataUnits;
  for (let limb = 0; limb < DUN_LIMBS; limb++) {
    const sum = dun[limb]! + (carry >>> 0);
    if (sum >>> 0 !== next[limb]) return false;
    carry = Math.floor(carry / TWO_32) + (sum >= TWO_32 ? 1 : 0);
  }
  return carry === 0;
}
