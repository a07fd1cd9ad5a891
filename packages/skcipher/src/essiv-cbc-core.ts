import { BLOCK_BYTES, type BlockCipher, type BlockTransform } from "./block-cipher.js";
import type { CbcEncryptor } from "./cbc-encryptor.js";
import type { CbcScratch } from "./cbc-scratch.js";
import { CHUNK_BYTES } from "./chunk.js";
import { IvCounter } from "./iv-counter.js";
import { sha256 } from "./sha256.js";
import type { CipherCore } from "./skcipher-alg.js";

/** What {@link EssivCbcCore} computes with. */
export interface EssivCbcParts {
  readonly scratch: CbcScratch;
  /** The cipher of the data: AES-128, whose key is that of the mode. */
  readonly dataCipher: BlockCipher;
  /** The cipher of the IVs: AES-256, whose key is the SHA-256 of the other's. */
  readonly ivCipher: BlockCipher;
  /** Encryption of the data; decryption needs only the cipher. */
  encryptor(key: Uint8Array): CbcEncryptor;
}

/**
 * CBC with ESSIV, a chunk of data units at a time. The IVs of a chunk are one call to the block cipher, and so is its
 * decryption; for encryption see {@link CbcEncryptor}.
 *
 * @kernel crypto/essiv.c: essiv_skcipher_setkey, essiv_skcipher_crypt; crypto/cbc.c
 */
export class EssivCbcCore implements CipherCore {
  readonly #parts: EssivCbcParts;
  readonly #ivs = new IvCounter();
  #iv: BlockTransform | undefined;
  #encrypt: CbcEncryptor | undefined;
  #decrypt: BlockTransform | undefined;

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
    this.#decrypt = this.#parts.dataCipher.decryptor(key);
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    const scratch = this.#parts.scratch;
    const encryptor = this.#encrypt!;
    this.#ivs.start(dun);
    for (let at = 0; at < src.length; at += CHUNK_BYTES) {
      const chunkBytes = Math.min(CHUNK_BYTES, src.length - at);
      const dataUnits = chunkBytes / dataUnitBytes;
      this.#makeIvs(dataUnits);
      scratch.data.set(src.subarray(at, at + chunkBytes));
      encryptor.run(scratch, dataUnits, dataUnitBytes / BLOCK_BYTES);
      dst.set(scratch.data.subarray(0, chunkBytes), at);
    }
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    const scratch = this.#parts.scratch;
    const transform = this.#decrypt!;
    this.#ivs.start(dun);
    for (let at = 0; at < src.length; at += CHUNK_BYTES) {
      const chunkBytes = Math.min(CHUNK_BYTES, src.length - at);
      const chunk = scratch.data.subarray(0, chunkBytes);
      this.#makeIvs(chunkBytes / dataUnitBytes);
      chunk.set(src.subarray(at, at + chunkBytes));
      this.#collectPrevious(chunkBytes, dataUnitBytes);
      transform.run(chunk);
      scratch.addPrevious(chunkBytes);
      dst.set(chunk, at);
    }
  }

  clear(): void {
    if (this.#iv === undefined) return;
    this.#iv.clear();
    this.#encrypt?.clear();
    this.#decrypt?.clear();
    this.#iv = undefined;
    this.#encrypt = undefined;
    this.#decrypt = undefined;
    const { data, previous, lanes } = this.#parts.scratch;
    data.fill(0);
    previous.fill(0);
    lanes.fill(0);
  }

  /** Fills a lane for each data unit with its IV. */
  #makeIvs(dataUnits: number): void {
    const lanes = this.#parts.scratch.lanes.subarray(0, dataUnits * BLOCK_BYTES);
    this.#ivs.fill(lanes, BLOCK_BYTES);
    this.#iv!.run(lanes);
  }

  /** The block before each block of ciphertext; before the first one of a data unit, its IV. */
  #collectPrevious(chunkBytes: number, dataUnitBytes: number): void {
    const { data, previous, lanes } = this.#parts.scratch;
    previous.set(data.subarray(0, chunkBytes - BLOCK_BYTES), BLOCK_BYTES);
    let lane = 0;
    for (let at = 0; at < chunkBytes; at += dataUnitBytes) {
      previous.set(lanes.subarray(lane, lane + BLOCK_BYTES), at);
      lane += BLOCK_BYTES;
    }
  }
}
