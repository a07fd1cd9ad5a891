import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from "node:crypto";
import { LockstepCbcEncryptor } from "../block-cbc.js";
import { BLOCK_BYTES } from "../block-cipher.js";
import type { CbcScratch } from "../cbc-scratch.js";
import type { CbcTransform } from "../cbc-transform.js";
import { opensslAes128 } from "./openssl-ecb.js";

const CIPHER = "aes-128-cbc";

/** Adds the 16 bytes of `addend` at `addendAt` to those of `target` at `at`. */
function addBlock(target: Uint8Array, at: number, addend: Uint8Array, addendAt: number): void {
  for (let i = 0; i < BLOCK_BYTES; i++) target[at + i] = target[at + i]! ^ addend[addendAt + i]!;
}

/** From here on one more call to OpenSSL costs less than to copy a data unit. */
const LARGE_DATA_UNIT_BYTES = 16384;

/**
 * CBC encryption in one OpenSSL context for as long as the key is set. Making a context for each data unit costs more than
 * encrypting 4 KiB, and node:crypto cannot give one another IV; but a context that goes on behind the last data unit only adds
 * that one's last block to the next first block, where adding it before undoes it.
 */
class ChainedCbcEncryptor implements CbcTransform {
  readonly #context: Cipher;
  readonly #scratch: CbcScratch;
  /** The block that OpenSSL will add next. */
  readonly #last: Uint8Array = new Uint8Array(BLOCK_BYTES);

  constructor(key: Uint8Array, scratch: CbcScratch) {
    this.#context = createCipheriv(CIPHER, key, this.#last).setAutoPadding(false);
    this.#scratch = scratch;
  }

  run(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, ivs: Uint8Array): void {
    // A first block has to be changed, which is done in a copy: of all of the data unit, or of that block alone.
    const copied = dataUnitBytes < LARGE_DATA_UNIT_BYTES ? dataUnitBytes : BLOCK_BYTES;
    const start = this.#scratch.data.subarray(0, copied);
    let iv = 0;
    for (let at = 0; at < src.length; at += dataUnitBytes) {
      start.set(src.subarray(at, at + copied));
      addBlock(start, 0, ivs, iv);
      addBlock(start, 0, this.#last, 0);
      this.#encrypt(start, dst, at);
      if (copied < dataUnitBytes) this.#encrypt(src.subarray(at + copied, at + dataUnitBytes), dst, at + copied);
      iv += BLOCK_BYTES;
    }
  }

  clear(): void {
    // Makes Node free the OpenSSL context now, which wipes the key schedule in it.
    this.#context.final();
  }

  #encrypt(plaintext: Uint8Array, dst: Uint8Array, at: number): void {
    const ciphertext = this.#context.update(plaintext);
    this.#last.set(ciphertext.subarray(ciphertext.length - BLOCK_BYTES));
    dst.set(ciphertext, at);
  }
}

/** AES-128-CBC encryption by whichever way is faster for the shape of a request; both give the same bytes. */
class OpensslCbcEncryptor implements CbcTransform {
  readonly #chained: CbcTransform;
  readonly #lockstep: CbcTransform;

  constructor(key: Uint8Array, scratch: CbcScratch) {
    this.#lockstep = new LockstepCbcEncryptor(opensslAes128.encryptor(key), scratch);
    this.#chained = new ChainedCbcEncryptor(key, scratch);
  }

  run(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, ivs: Uint8Array): void {
    // A call to OpenSSL is what costs: there is one for each data unit, or one for each block position.
    const lockstep = ivs.length > dataUnitBytes;
    (lockstep ? this.#lockstep : this.#chained).run(src, dst, dataUnitBytes, ivs);
  }

  clear(): void {
    this.#chained.clear();
    this.#lockstep.clear();
  }
}

/**
 * CBC decryption of any number of data units in one call to OpenSSL, in one context for as long as the key is set. To the first
 * block of each data unit OpenSSL adds the block before it; adding that once more undoes it, and its IV belongs there instead.
 */
class OpensslCbcDecryptor implements CbcTransform {
  readonly #context: Decipher;
  /** The block that OpenSSL will add next, and behind it the one that follows from the current call. */
  readonly #last: Uint8Array = new Uint8Array(2 * BLOCK_BYTES);

  constructor(key: Uint8Array) {
    this.#context = createDecipheriv(CIPHER, key, new Uint8Array(BLOCK_BYTES)).setAutoPadding(false);
  }

  run(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, ivs: Uint8Array): void {
    // Now, as `dst` may be `src`.
    this.#last.set(src.subarray(src.length - BLOCK_BYTES), BLOCK_BYTES);
    const plaintext = this.#context.update(src);
    addBlock(plaintext, 0, this.#last, 0);
    addBlock(plaintext, 0, ivs, 0);
    let iv = BLOCK_BYTES;
    for (let at = dataUnitBytes; at < src.length; at += dataUnitBytes) {
      addBlock(plaintext, at, src, at - BLOCK_BYTES);
      addBlock(plaintext, at, ivs, iv);
      iv += BLOCK_BYTES;
    }
    dst.set(plaintext);
    // Node allocates the result anew each time; without this, plaintext would stay behind in freed memory.
    plaintext.fill(0);
    this.#last.copyWithin(0, BLOCK_BYTES);
  }

  clear(): void {
    this.#context.final();
  }
}

/** CBC with AES-128 of the OpenSSL inside node. */
export const opensslCbcAes128 = {
  encryptor: (key: Uint8Array, scratch: CbcScratch): CbcTransform => new OpensslCbcEncryptor(key, scratch),
  decryptor: (key: Uint8Array): CbcTransform => new OpensslCbcDecryptor(key),
};
