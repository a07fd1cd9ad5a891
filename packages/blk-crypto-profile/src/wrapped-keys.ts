import { BlkBug, BlkError } from "@inlinecrypt/blk-core";
import { MAX_HW_WRAPPED_KEY_BYTES } from "./blk-crypto-key.js";
import type { CryptoCapabilities } from "./crypto-capabilities.js";
import type { HwAccess } from "./hw-access.js";
import { type LlOps, SW_SECRET_BYTES, type WrappedKeyOps } from "./ll-ops.js";

/**
 * A device's hardware-wrapped keys. Each call runs like any low-level op: alone, with the device awake. Blobs are
 * written into buffers of the caller's, of `MAX_HW_WRAPPED_KEY_BYTES`, which it wipes; results are their lengths.
 *
 * All fail with BlkError EOPNOTSUPP where the device takes no wrapped keys, or its driver has no such op, EINVAL for a
 * smaller buffer, and with what the driver says: EBADMSG for a blob that is not of its making.
 */
export class WrappedKeys {
  readonly #capabilities: CryptoCapabilities;
  readonly #llOps: LlOps;
  readonly #hw: HwAccess;

  constructor(capabilities: CryptoCapabilities, llOps: LlOps, hw: HwAccess) {
    this.#capabilities = capabilities;
    this.#llOps = llOps;
    this.#hw = hw;
  }

  /** Wraps a raw key for the long term. @kernel block/blk-crypto-profile.c: blk_crypto_import_key */
  async importKey(rawKey: Uint8Array, ltKey: Uint8Array): Promise<number> {
    const ops = this.#opsWith("importKey", "blk_crypto_import_key");
    checkRoom("blk_crypto_import_key", ltKey);
    return checkBlobBytes("importKey", await this.#hw.run(() => ops.importKey(rawKey, ltKey)));
  }

  /** Makes a key, wrapped for the long term. @kernel block/blk-crypto-profile.c: blk_crypto_generate_key */
  async generateKey(ltKey: Uint8Array): Promise<number> {
    const ops = this.#opsWith("generateKey", "blk_crypto_generate_key");
    checkRoom("blk_crypto_generate_key", ltKey);
    return checkBlobBytes("generateKey", await this.#hw.run(() => ops.generateKey(ltKey)));
  }

  /** Wraps a long-term blob's key for this boot, for I/O. @kernel block/blk-crypto-profile.c: blk_crypto_prepare_key */
  async prepareKey(ltKey: Uint8Array, ephKey: Uint8Array): Promise<number> {
    const ops = this.#opsWith("prepareKey", "blk_crypto_prepare_key");
    checkRoom("blk_crypto_prepare_key", ephKey);
    return checkBlobBytes("prepareKey", await this.#hw.run(() => ops.prepareKey(ltKey, ephKey)));
  }

  /**
   * Derives the software secret of an ephemeral blob, into `swSecret`.
   *
   * @throws BlkError EINVAL for a secret of other than 32 bytes.
   * @kernel block/blk-crypto-profile.c: blk_crypto_derive_sw_secret
   */
  async deriveSwSecret(ephKey: Uint8Array, swSecret: Uint8Array): Promise<void> {
    const op = "blk_crypto_derive_sw_secret";
    const ops = this.#opsWith("deriveSwSecret", op);
    if (swSecret.length !== SW_SECRET_BYTES) {
      throw new BlkError("EINVAL", op, `a software secret has ${SW_SECRET_BYTES} bytes, not ${swSecret.length}`);
    }
    await this.#hw.run(() => ops.deriveSwSecret(ephKey, swSecret));
  }

  #opsWith<Name extends keyof WrappedKeyOps>(name: Name, op: string): Pick<WrappedKeyOps, Name> {
    if (!this.#capabilities.hasKeyType("hw-wrapped")) {
      throw new BlkError("EOPNOTSUPP", op, "the device takes no hardware-wrapped keys");
    }
    if (this.#llOps[name] === undefined) throw new BlkError("EOPNOTSUPP", op, `the driver has no op ${name}`);
    return this.#llOps as Pick<WrappedKeyOps, Name>;
  }
}

function checkRoom(op: string, buffer: Uint8Array): void {
  if (buffer.length >= MAX_HW_WRAPPED_KEY_BYTES) return;
  const message = `a buffer for a blob has ${MAX_HW_WRAPPED_KEY_BYTES} bytes or more, not ${buffer.length}`;
  throw new BlkError("EINVAL", op, message);
}

function checkBlobBytes(op: string, blobBytes: number): number {
  if (Number.isInteger(blobBytes) && blobBytes > 0 && blobBytes <= MAX_HW_WRAPPED_KEY_BYTES) return blobBytes;
  throw new BlkBug(`a driver's ${op} has made a blob of ${blobBytes} bytes, expected 1 to ${MAX_HW_WRAPPED_KEY_BYTES}`);
}
