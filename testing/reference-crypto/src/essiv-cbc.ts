import { createHash } from "node:crypto";
import { Aes } from "./aes.js";
import { assertWholeBlocks, BLOCK_BYTES, xorInto } from "./block-cipher.js";
import type { DataUnitCipher } from "./data-unit-cipher.js";
import { toLittleEndian } from "./little-endian.js";

/**
 * AES in CBC mode (SP 800-38A section 6.2) with ESSIV: the IV of a data unit is its DUN, little-endian, encrypted by AES under
 * the SHA-256 of the key.
 */
export class EssivCbcAes implements DataUnitCipher {
  readonly #dataCipher: Aes;
  readonly #ivCipher: Aes;

  constructor(key: Uint8Array) {
    this.#dataCipher = new Aes(key);
    this.#ivCipher = new Aes(createHash("sha256").update(key).digest());
  }

  encrypt(dun: bigint, plaintext: Uint8Array): Uint8Array {
    assertWholeBlocks(plaintext);
    const output = Uint8Array.from(plaintext);
    let previous = this.#iv(dun);
    for (let at = 0; at < output.length; at += BLOCK_BYTES) {
      const block = output.subarray(at, at + BLOCK_BYTES);
      xorInto(block, previous);
      this.#dataCipher.encryptBlock(block);
      previous = block;
    }
    return output;
  }

  decrypt(dun: bigint, ciphertext: Uint8Array): Uint8Array {
    assertWholeBlocks(ciphertext);
    const output = Uint8Array.from(ciphertext);
    let previous = this.#iv(dun);
    for (let at = 0; at < output.length; at += BLOCK_BYTES) {
      const block = output.subarray(at, at + BLOCK_BYTES);
      this.#dataCipher.decryptBlock(block);
      xorInto(block, previous);
      previous = ciphertext.subarray(at, at + BLOCK_BYTES);
    }
    return output;
  }

  #iv(dun: bigint): Uint8Array {
    const iv = toLittleEndian(dun, BLOCK_BYTES);
    this.#ivCipher.encryptBlock(iv);
    return iv;
  }
}
