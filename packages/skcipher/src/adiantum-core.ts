import { deriveAdiantumKeys } from "./adiantum-keys.js";
import { type AdiantumScratch, TWEAK_BYTES } from "./adiantum-scratch.js";
import { BLOCK_BYTES, type BlockCipher, type BlockTransform } from "./block-cipher.js";
import { CHUNK_BYTES } from "./chunk.js";
import { IvCounter } from "./iv-counter.js";
import type { CipherCore } from "./skcipher-alg.js";

/**
 * Adiantum, a chunk of data units at a time: hash, block cipher, stream cipher, hash. Decryption is the same but for the block
 * cipher, which goes backwards behind the stream cipher. The block cipher's share of a chunk is one call.
 *
 * @kernel crypto/adiantum.c: adiantum_setkey, adiantum_crypt
 */
export class AdiantumCore implements CipherCore {
  readonly #cipher: BlockCipher;
  readonly #scratch: AdiantumScratch;
  readonly #ivs = new IvCounter();
  #softKeys: Uint8Array | undefined;
  #encrypt: BlockTransform | undefined;
  #decrypt: BlockTransform | undefined;

  /** @param cipher - AES-256 */
  constructor(cipher: BlockCipher, scratch: AdiantumScratch) {
    this.#cipher = cipher;
    this.#scratch = scratch;
  }

  setKey(key: Uint8Array): void {
    const { blockKey, softKeys } = deriveAdiantumKeys(key);
    this.#softKeys = softKeys;
    try {
      this.#encrypt = this.#cipher.encryptor(blockKey);
      this.#decrypt = this.#cipher.decryptor(blockKey);
    } finally {
      blockKey.fill(0);
    }
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(this.#encrypt, undefined, src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(undefined, this.#decrypt, src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    if (this.#softKeys === undefined) return;
    this.#softKeys.fill(0);
    this.#encrypt?.clear();
    this.#decrypt?.clear();
    this.#softKeys = undefined;
    this.#encrypt = undefined;
    this.#decrypt = undefined;
    this.#scratch.wipe();
  }

  #crypt(
    beforeStream: BlockTransform | undefined,
    behindStream: BlockTransform | undefined,
    src: Uint8Array,
    dst: Uint8Array,
    dataUnitBytes: number,
    dun: Uint32Array,
  ): void {
    const scratch = this.#scratch;
    // Another cipher may have used the scratch memory since.
    scratch.softKeys.set(this.#softKeys!);
    this.#ivs.start(dun);
    for (let at = 0; at < src.length; at += CHUNK_BYTES) {
      const chunkBytes = Math.min(CHUNK_BYTES, src.length - at);
      const dataUnits = chunkBytes / dataUnitBytes;
      const middles = scratch.middles.subarray(0, dataUnits * BLOCK_BYTES);
      this.#ivs.fill(scratch.tweaks.subarray(0, dataUnits * TWEAK_BYTES), TWEAK_BYTES);
      scratch.data.set(src.subarray(at, at + chunkBytes));
      scratch.hashToMiddles(dataUnits, dataUnitBytes);
      beforeStream?.run(middles);
      scratch.addStream(dataUnits, dataUnitBytes);
      behindStream?.run(middles);
      scratch.hashFromMiddles(dataUnits, dataUnitBytes);
      dst.set(scratch.data.subarray(0, chunkBytes), at);
    }
  }
}
