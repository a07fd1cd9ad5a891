import { assertWholeBlocks, BLOCK_BYTES, type BlockCipher, xorInto } from "./block-cipher.js";
import type { DataUnitCipher } from "./data-unit-cipher.js";
import { toLittleEndian } from "./little-endian.js";

/**
 * Multiplies by alpha, in place (IEEE 1619 section 5.2): the 16 bytes, little-endian, move up by one bit; a bit that leaves
 * at the top comes back as 0x87.
 */
function multiplyByAlpha(tweak: Uint8Array): void {
  const leaving = tweak[tweak.length - 1]! >> 7;
  for (let i = tweak.length - 1; i > 0; i--) tweak[i] = (tweak[i]! << 1) | (tweak[i - 1]! >> 7);
  tweak[0] = (tweak[0]! << 1) ^ (leaving * 0x87);
}

/**
 * XTS by the definition in IEEE 1619 section 5, without ciphertext stealing (data units are whole blocks). Both halves of
 * the key are used as they are: refusing weak keys is not an oracle's business.
 */
export class Xts implements DataUnitCipher {
  readonly #dataCipher: BlockCipher;
  readonly #tweakCipher: BlockCipher;

  /** @param key - Key1 || Key2 */
  constructor(Cipher: new (key: Uint8Array) => BlockCipher, key: Uint8Array) {
    this.#dataCipher = new Cipher(key.subarray(0, key.length / 2));
    this.#tweakCipher = new Cipher(key.subarray(key.length / 2));
  }

  encrypt(dun: bigint, plaintext: Uint8Array): Uint8Array {
    return this.#crypt(dun, plaintext, (block) => this.#dataCipher.encryptBlock(block));
  }

  decrypt(dun: bigint, ciphertext: Uint8Array): Uint8Array {
    return this.#crypt(dun, ciphertext, (block) => this.#dataCipher.decryptBlock(block));
  }

  #crypt(dun: bigint, input: Uint8Array, cryptBlock: (block: Uint8Array) => void): Uint8Array {
    assertWholeBlocks(input);
    const output = Uint8Array.from(input);
    const tweak = toLittleEndian(dun, BLOCK_BYTES);
    this.#tweakCipher.encryptBlock(tweak);
    for (let at = 0; at < output.length; at += BLOCK_BYTES) {
      const block = output.subarray(at, at + BLOCK_BYTES);
      xorInto(block, tweak);
      cryptBlock(block);
      xorInto(block, tweak);
      multiplyByAlpha(tweak);
    }
    return output;
  }
}
