import { BLOCK_BYTES, type BlockCipher, type BlockTransform } from "./block-cipher.js";
import { CHUNK_BYTES } from "./chunk.js";
import { IvCounter } from "./iv-counter.js";
import type { CipherCore } from "./skcipher-alg.js";
import type { XtsScratch } from "./xts-scratch.js";

/**
 * XTS over any block cipher, a chunk of data units at a time: encrypt all their IVs in one call, mask, run all blocks
 * through the cipher in one call, mask. A call to the block cipher is what costs, so there are two for a chunk rather than two
 * for each data unit.
 *
 * @kernel crypto/xts.c: xts_encrypt, xts_decrypt
 */
export class XtsCore implements CipherCore {
  readonly #cipher: BlockCipher;
  readonly #scratch: XtsScratch;
  readonly #ivs = new IvCounter();
  #tweak: BlockTransform | undefined;
  #encrypt: BlockTransform | undefined;
  #decrypt: BlockTransform | undefined;

  constructor(cipher: BlockCipher, scratch: XtsScratch) {
    this.#cipher = cipher;
    this.#scratch = scratch;
  }

  setKey(key: Uint8Array): void {
    const dataKey = key.subarray(0, this.#cipher.keyBytes);
    const tweakKey = key.subarray(this.#cipher.keyBytes);
    // One by one, so that clear() finds what there is when one of them throws.
    this.#tweak = this.#cipher.encryptor(tweakKey);
    this.#encrypt = this.#cipher.encryptor(dataKey);
    this.#decrypt = this.#cipher.decryptor(dataKey);
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(this.#encrypt!, src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(this.#decrypt!, src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    if (this.#tweak === undefined) return;
    this.#tweak.clear();
    this.#encrypt?.clear();
    this.#decrypt?.clear();
    this.#tweak = undefined;
    this.#encrypt = undefined;
    this.#decrypt = undefined;
    this.#scratch.data.fill(0);
    this.#scratch.tweaks.fill(0);
  }

  #crypt(transform: BlockTransform, src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    const scratch = this.#scratch;
    const tweak = this.#tweak!;
    const blocksPerDataUnit = dataUnitBytes / BLOCK_BYTES;
    this.#ivs.start(dun);
    for (let at = 0; at < src.length; at += CHUNK_BYTES) {
      const chunkBytes = Math.min(CHUNK_BYTES, src.length - at);
      const dataUnits = chunkBytes / dataUnitBytes;
      const tweaks = scratch.tweaks.subarray(0, dataUnits * BLOCK_BYTES);
      const chunk = scratch.data.subarray(0, chunkBytes);
      this.#ivs.fill(tweaks, BLOCK_BYTES);
      tweak.run(tweaks);
      chunk.set(src.subarray(at, at + chunkBytes));
      scratch.mask(dataUnits, blocksPerDataUnit);
      transform.run(chunk);
      scratch.mask(dataUnits, blocksPerDataUnit);
      dst.set(chunk, at);
    }
  }
}
