import { readU32Be, readU32Le, writeU32Be, writeU32Le } from "./bytes.js";
import { PRDT_DATA_BYTE_COUNT_MAX } from "./prdt.js";

/** Bytes of a PRDT entry that carries a key. */
export const FMP_PRDT_ENTRY_BYTES = 128;

/** The one data unit size: an entry that carries a key describes exactly one. */
export const FMP_DATA_UNIT_BYTES = 4096;

/** Bytes of the key in an entry: both halves of an AES-256-XTS key. */
export const FMP_KEY_BYTES = 64;

const SIZE_AT = 12;
const IV_AT = 16;
const KEY_AT = 32;
const HALF_BYTES = FMP_KEY_BYTES / 2;
const IV_LIMBS = 4;
/** AES-XTS with 256 bits, in the bits above the byte count. */
const AES_256_XTS = ((2 << 28) | (1 << 26)) >>> 0;
const CRYPTO_MASK = ~(PRDT_DATA_BYTE_COUNT_MAX - 1) >>> 0;

/**
 * Has the entry at `at`, which describes one data unit, go through AES-256-XTS. All bytes of IV and key halves are
 * reversed.
 *
 * @param dun - at least 4 limbs, of which 128 bits are the IV
 * @param key - {@link FMP_KEY_BYTES}
 * @kernel drivers/ufs/host/ufs-exynos.c: struct fmp_sg_entry
 */
export function buildFmpCrypto(into: Uint8Array, at: number, dun: Uint32Array, key: Uint8Array): void {
  writeU32Le(into, at + SIZE_AT, readU32Le(into, at + SIZE_AT) | AES_256_XTS);
  for (let limb = 0; limb < IV_LIMBS; limb++) writeU32Be(into, at + IV_AT + 4 * (IV_LIMBS - 1 - limb), dun[limb]!);
  for (let index = 0; index < HALF_BYTES; index++) {
    into[at + KEY_AT + index] = key[HALF_BYTES - 1 - index]!;
    into[at + KEY_AT + HALF_BYTES + index] = key[FMP_KEY_BYTES - 1 - index]!;
  }
}

/** What the entry at `at` asks for: nothing, AES-256-XTS, or something nobody knows. */
export function fmpCryptoKind(from: Uint8Array, at: number): "plain" | "aes-256-xts" | "unknown" {
  const bits = (readU32Le(from, at + SIZE_AT) & CRYPTO_MASK) >>> 0;
  if (bits === 0) return "plain";
  return bits === AES_256_XTS ? "aes-256-xts" : "unknown";
}

/** Reads IV (into the low 4 limbs of `dun`) and key of the entry at `at`. */
export function parseFmpCrypto(from: Uint8Array, at: number, dun: Uint32Array, key: Uint8Array): void {
  for (let limb = 0; limb < IV_LIMBS; limb++) dun[limb] = readU32Be(from, at + IV_AT + 4 * (IV_LIMBS - 1 - limb));
  for (let index = 0; index < HALF_BYTES; index++) {
    key[HALF_BYTES - 1 - index] = from[at + KEY_AT + index]!;
    key[FMP_KEY_BYTES - 1 - index] = from[at + KEY_AT + HALF_BYTES + index]!;
  }
}
