import { BlkError } from "@inlinecrypt/blk-core";

/** Names of the modes, as sysfs prints them. */
export type CryptoModeName = "AES-256-XTS" | "AES-128-CBC-ESSIV" | "Adiantum" | "SM4-XTS";

/** An encryption mode: a cipher with its key and IV lengths. @kernel block/blk-crypto-internal.h: blk_crypto_mode */
export interface CryptoMode {
  /** The kernel's number, 1 to 4; 0 is "invalid". @kernel include/linux/blk-crypto.h: blk_crypto_mode_num */
  readonly num: number;
  readonly name: CryptoModeName;
  /** The cipher's name in the kernel's crypto API. */
  readonly cipher: string;
  /** Length of a raw key. */
  readonly keyBytes: number;
  /** Least length of a wrapped key: the strength of the cipher. */
  readonly strengthBytes: number;
  /** Length of the IV, and so the most bytes a DUN may have. */
  readonly ivBytes: number;
}

/** All modes in order of their numbers. @kernel block/blk-crypto.c: blk_crypto_modes */
export const cryptoModes: readonly CryptoMode[] = Object.freeze([
  mode(1, "AES-256-XTS", "xts(aes)", 64, 32, 16),
  mode(2, "AES-128-CBC-ESSIV", "essiv(cbc(aes),sha256)", 16, 16, 16),
  mode(3, "Adiantum", "adiantum(xchacha12,aes)", 32, 32, 32),
  mode(4, "SM4-XTS", "xts(sm4)", 32, 16, 16),
]);

/** One more than the largest mode number. @kernel include/linux/blk-crypto.h: BLK_ENCRYPTION_MODE_MAX */
export const BLK_ENCRYPTION_MODE_MAX = 5;

/**
 * The mode of a name, for names that people typed.
 *
 * @throws BlkError EINVAL listing the modes there are.
 */
export function cryptoModeByName(name: string): CryptoMode {
  for (const candidate of cryptoModes) if (candidate.name === name) return candidate;
  throw new BlkError("EINVAL", "blk_crypto_modes", `unknown mode ${JSON.stringify(name)}, expected ${listOfNames()}`);
}

/**
 * The mode of a number.
 *
 * @throws BlkError EINVAL for 0 and for numbers from `BLK_ENCRYPTION_MODE_MAX` up.
 */
export function cryptoModeByNum(num: number): CryptoMode {
  const found = cryptoModes[num - 1];
  if (found === undefined) {
    throw new BlkError("EINVAL", "blk_crypto_modes", `unknown mode number ${num}, expected 1 to ${cryptoModes.length}`);
  }
  return found;
}

function listOfNames(): string {
  return cryptoModes.map((each) => each.name).join(", ");
}

function mode(
  num: number,
  name: CryptoModeName,
  cipher: string,
  keyBytes: number,
  strengthBytes: number,
  ivBytes: number,
): CryptoMode {
  return Object.freeze({ num, name, cipher, keyBytes, strengthBytes, ivBytes });
}
