import { BlkError } from "@inlinecrypt/blk-core";
import { assertUsableKey, BlkCryptoKey, type CryptoMode } from "@inlinecrypt/blk-crypto-profile";
import { RequestError } from "./failure.js";
import { readKeyFile } from "./key-file.js";

export interface LoadKeyOptions {
  readonly file: string;
  readonly mode: CryptoMode;
  readonly dataUnitBytes: number;
  readonly dunBytes: number;
}

/** A key; the caller wipes it. */
export interface LoadedKey {
  readonly key: BlkCryptoKey;
  /** As in `KeyFileContent`. */
  readonly warning: string | null;
}

/**
 * Makes a key of a key file and wipes what was read.
 *
 * @throws RequestError naming the file when it does not hold a key for the mode, or an XTS key with equal halves
 */
export async function loadKey({ file, mode, dataUnitBytes, dunBytes }: LoadKeyOptions): Promise<LoadedKey> {
  const { bytes, warning } = await readKeyFile(file, mode);
  let key: BlkCryptoKey;
  try {
    key = new BlkCryptoKey({ mode, bytes, dataUnitBytes, dunBytes });
  } finally {
    bytes.fill(0);
  }
  try {
    assertUsableKey(key);
  } catch (error) {
    key.wipe();
    if (!(error instanceof BlkError)) throw error;
    throw new RequestError(`key file ${file}: the two halves of the ${mode.name} key are equal; XTS needs two keys`);
  }
  return { key, warning };
}
