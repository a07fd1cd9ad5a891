import { Aes, BLOCK_BYTES } from "./aes.js";

/** The i of IEEE 1619 section 5.1 as the 16 bytes that Key2 encrypts: little-endian, cut to 128 bits as the kernel cuts it. */
function tweakValue(dun: bigint): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  for (let i = 0; i < BLOCK_BYTES; i++) block[i] = Number((dun >> BigInt(8 * i)) & 0xffn);
  return block;
}

/**
 * Multiplies by alpha, in place (IEEE 1619 section 5.2): the 16 bytes, little-endian, move up by one bit; a bit that leaves
 * at the top comes back as 0x87.
 */
function multiplyByAlpha(tweak: Uint8Array): void {
  const leaving = tweak[BLOCK_BYTES - 1]! >> 7;
  for (let i = BLOCK_BYTES - 1; i > 0; i--) tweak[i] = (tweak[i]! << 1) | (tweak[i - 1]! >> 7);
  tweak[0] = (tweak[0]! << 1) ^ (leaving * 0x87);
}

function xorInto(block: Uint8Array, tweak: Uint8Array): void {
  for (let i = 0; i < BLOCK_BYTES; i++) block[i]! ^= tweak[i]!;
}

/**
 * XTS-AES by the definition in IEEE 1619 section 5, without ciphertext stealing (data units are whole blocks). Both halves of
 * the key are used as they are: refusing weak keys is not an oracle's business.
 */
export class XtsAes {
  readonly #dataCipher: Aes;
  readonly #tweakCipher: Aes;

  /** @param key - Key1 || Key2: 32, 48 or 64 bytes */
  constructor(key: Uint8Array) {
    this.#dataCipher = new Aes(key.subarray(0, key.length / 2));
    this.#tweakCipher = new Aes(key.subarray(key.length / 2));
  }

  /** Returns the ciphertext of one data unit. */
  encrypt(dun: bigint, plaintext: Uint8Array): Uint8Array {
    return this.#crypt(dun, plaintext, (block) => this.#dataCipher.encryptBlock(block));
  }

  /** Returns the plaintext of one data unit. */
  decrypt(dun: bigint, ciphertext: Uint8Array): Uint8Array {
    return this.#crypt(dun, ciphertext, (block) => this.#dataCipher.decryptBlock(block));
  }

  #crypt(dun: bigint, input: Uint8Array, cryptBlock: (block: Uint8Array) => void): Uint8Array {
    if (input.length % BLOCK_BYTES !== 0) throw new RangeError(`${input.length} bytes are not whole blocks`);
    const output = Uint8Array.from(input);
    const tweak = tweakValue(dun);
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
