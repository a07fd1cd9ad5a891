import { BLOCK_BYTES, type BlockCipher, type BlockTransform } from "./block-cipher.js";
import type { CbcScratch } from "./cbc-scratch.js";
import type { CbcTransform } from "./cbc-transform.js";
import { CHUNK_BYTES, CHUNK_DATA_UNITS } from "./chunk.js";
import { IvCounter } from "./iv-counter.js";
import { sha256 } from "./sha256.js";
import type { CipherCore } from "./skcipher-alg.js";

/** What {@link EssivCbcCore} computes with. */
export interface EssivCbcParts {
  /** What the transforms work in; wiped by `clear`. */
  readonly scratch: CbcScratch;
  /** Cipher of the IVs: AES-256, whose key is the SHA-256 of the other one. */
  readonly ivCipher: BlockCipher;
  encryptor(key: Uint8Array): CbcTransform;
  decryptor(key: Uint8Array): CbcTransform;
}

/**
 * CBC with ESSIV, a chunk of data units at a time: the IVs of a chunk are one call to the block cipher.
 *
 * @kernel crypto/essiv.c: essiv_skcipher_setkey, essiv_skcipher_crypt; crypto/cbc.c
 */
export class EssivCbcCore implements CipherCore {
  readonly #parts: EssivCbcParts;
  readonly #counter = new IvCounter();
  readonly #ivs: Uint8Array = new Uint8Array(CHUNK_DATA_UNITS * BLOCK_BYTES);
  #iv: BlockTransform | undefined;
  #encrypt: CbcTransform | undefined;
  #decrypt: CbcTransform | undefined;

  constructor(parts: EssivCbcParts) {
    this.#parts = parts;
  }

  setKey(key: Uint8Array): void {
    const salt = sha256(key);
    try {
      this.#iv = this.#parts.ivCipher.encryptor(salt);
    } finally {
      salt.fill(0);
    }
    // One by one, so that clear() finds what there is when one of them throws.
    this.#encrypt = this.#parts.encryptor(key);
    this.#decrypt = this.#parts.decryptor(key);
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(this.#encrypt!, src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(this.#decrypt!, src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    if (this.#iv === undefined) return;
    this.#iv.clear();
    this.#encrypt?.clear();
    this.#decrypt?.clear();
    this.#iv = undefined;
    this.#encrypt = undefined;
    this.#decrypt = undefined;
    this.#ivs.fill(0);
    this.#parts.scratch.data.fill(0);
    this.#parts.scratch.previous.fill(0);
  }

  #crypt(transform: CbcTransform, src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#counter.start(dun);
    for (let at = 0; at < src.length; at += CHUNK_BYTES) {
      const end = Math.min(at + CHUNK_BYTES, src.length);
      const ivs = this.#ivs.subarray(0, ((end - at) / dataUnitBytes) * BLOCK_BYTES);
      this.#counter.fill(ivs, BLOCK_BYTES);
      this.#iv!.run(ivs);
      transform.run(src.subarray(at, end), dst.subarray(at, end), dataUnitBytes, ivs);
    }
  }
}
