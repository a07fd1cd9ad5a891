import { BlkBug, BlkError, CryptoCfgFlag, type CryptoKeyRef } from "@inlinecrypt/blk-core";
import type { CryptoKeyType } from "./crypto-capabilities.js";
import { type CryptoMode, type CryptoModeName, cryptoModeByName, cryptoModeByNum } from "./crypto-modes.js";
import { secretBytes } from "./secret-bytes.js";

/** Longest hardware-wrapped key. @kernel include/linux/blk-crypto.h: BLK_CRYPTO_MAX_HW_WRAPPED_KEY_SIZE */
export const MAX_HW_WRAPPED_KEY_BYTES = 128;

const OP = "blk_crypto_init_key";
const MAX_DATA_UNIT_BYTES = 2 ** 31;

export interface BlkCryptoKeyOptions {
  mode: CryptoModeName | CryptoMode;
  /** The raw key or the wrapped blob; copied, so the caller may wipe its own at once. */
  bytes: Uint8Array;
  /** Bytes a data unit: a power of two. What a device or the fallback can do is checked when the key is started. */
  dataUnitBytes: number;
  /** Bytes of the largest DUN the key will be used with, 1 to the mode's IV length. */
  dunBytes: number;
  /** @default "raw" */
  keyType?: CryptoKeyType;
  /**
   * Bits of `CryptoCfgFlag`. Without ALLOW_HW software serves the key even on hardware that could; a wrapped key needs it.
   *
   * @default CryptoCfgFlag.ALLOW_HW
   */
  flags?: number;
}

/**
 * A key and how it is used. It never changes, any number of bios may share it, and it is an identity: two keys with the
 * same bytes are two keys, with keyslots of their own, and their I/O never merges.
 *
 * The bytes are private: neither `console.log` nor `JSON.stringify` shows them. `wipe` (or `using`) zeroes them; evict
 * the key from its devices first.
 *
 * @kernel include/linux/blk-crypto.h: blk_crypto_key
 */
export class BlkCryptoKey implements CryptoKeyRef {
  readonly mode: CryptoMode;
  readonly modeNum: number;
  readonly dataUnitBytes: number;
  readonly dataUnitBits: number;
  readonly dunBytes: number;
  readonly keyType: CryptoKeyType;
  readonly flags: number;
  /** Length of the key. */
  readonly keyBytes: number;
  readonly #bytes: Uint8Array;
  #wiped = false;

  /**
   * @throws BlkError EINVAL naming the property that is wrong. An XTS key with equal halves is accepted here, as in the
   * kernel, and refused when it is first programmed; `assertUsableKey` finds it earlier.
   * @kernel block/blk-crypto.c: blk_crypto_init_key
   */
  constructor(options: BlkCryptoKeyOptions) {
    const { mode, bytes, dataUnitBytes, dunBytes, keyType = "raw", flags = CryptoCfgFlag.ALLOW_HW } = options;
    this.mode = typeof mode === "string" ? cryptoModeByName(mode) : cryptoModeByNum(mode.num);
    checkKeyLength(this.mode, keyType, bytes.length);
    checkDunBytes(this.mode, dunBytes);
    checkDataUnit(dataUnitBytes);
    checkFlags(keyType, flags);
    this.modeNum = this.mode.num;
    this.dataUnitBytes = dataUnitBytes;
    this.dataUnitBits = 31 - Math.clz32(dataUnitBytes);
    this.dunBytes = dunBytes;
    this.keyType = keyType;
    this.flags = flags;
    this.keyBytes = bytes.length;
    this.#bytes = secretBytes(bytes.length);
    this.#bytes.set(bytes);
  }

  /**
   * Lends the bytes to whoever programs the key. `use` must neither change nor keep them.
   *
   * @throws BlkError ENOKEY when the key has been wiped.
   */
  withBytes<T>(use: (bytes: Uint8Array) => T): T {
    if (this.#wiped) throw new BlkError("ENOKEY", "blk_crypto_key", "the key has been wiped");
    return use(this.#bytes);
  }

  /** Zeroes the bytes for good. Idempotent. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  [Symbol.dispose](): void {
    this.wipe();
  }
}

/**
 * Refuses keys that init accepts and every XTS cipher refuses: equal halves. For whoever takes keys from people and
 * wants to say so before there is I/O.
 *
 * @throws BlkError EINVAL.
 * @kernel include/crypto/xts.h: xts_verify_key
 */
export function assertUsableKey(key: BlkCryptoKey): void {
  if (key.keyType !== "raw" || !key.mode.cipher.startsWith("xts(")) return;
  if (key.withBytes(halvesEqual)) {
    throw new BlkError("EINVAL", "xts_verify_key", `the two halves of an ${key.mode.name} key must differ`);
  }
}

/** The block layer knows keys as references; profiles are where their bytes are needed. */
export function asBlkCryptoKey(key: CryptoKeyRef): BlkCryptoKey {
  if (key instanceof BlkCryptoKey) return key;
  throw new BlkBug("a key reached a crypto profile that is no BlkCryptoKey");
}

/** Looks at every byte whatever it finds: the time says nothing about the key. */
function halvesEqual(bytes: Uint8Array): boolean {
  const half = bytes.length / 2;
  let difference = 0;
  for (let index = 0; index < half; index++) difference |= bytes[index]! ^ bytes[half + index]!;
  return difference === 0;
}

function checkKeyLength(mode: CryptoMode, keyType: string, keyBytes: number): void {
  if (keyType === "raw") {
    if (keyBytes !== mode.keyBytes) refuse(`a raw ${mode.name} key has ${mode.keyBytes} bytes, got ${keyBytes}`);
  } else if (keyType === "hw-wrapped") {
    if (keyBytes < mode.strengthBytes || keyBytes > MAX_HW_WRAPPED_KEY_BYTES) {
      refuse(
        `a wrapped ${mode.name} key has ${mode.strengthBytes} to ${MAX_HW_WRAPPED_KEY_BYTES} bytes, got ${keyBytes}`,
      );
    }
  } else {
    refuse(`keyType is ${JSON.stringify(keyType)}, expected "raw" or "hw-wrapped"`);
  }
}

function checkDunBytes(mode: CryptoMode, dunBytes: number): void {
  if (Number.isInteger(dunBytes) && dunBytes >= 1 && dunBytes <= mode.ivBytes) return;
  refuse(`dunBytes is ${dunBytes}, expected 1 to ${mode.ivBytes} for ${mode.name}`);
}

function checkDataUnit(bytes: number): void {
  const isPowerOfTwo = Number.isInteger(bytes) && bytes > 0 && (bytes & (bytes - 1)) === 0;
  if (isPowerOfTwo && bytes <= MAX_DATA_UNIT_BYTES) return;
  refuse(`dataUnitBytes is ${bytes}, expected a power of two of at most ${MAX_DATA_UNIT_BYTES}`);
}

function checkFlags(keyType: CryptoKeyType, flags: number): void {
  if (flags !== 0 && flags !== CryptoCfgFlag.ALLOW_HW) refuse(`flags are ${flags}, expected ALLOW_HW (1) or 0`);
  if (keyType === "hw-wrapped" && flags === 0) refuse("a wrapped key needs the flag ALLOW_HW: no software can use it");
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", OP, message);
}
