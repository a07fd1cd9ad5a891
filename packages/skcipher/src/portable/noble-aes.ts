import { unsafe } from "@noble/ciphers/aes.js";
import { BLOCK_BYTES, type BlockCipher, type BlockTransform } from "../block-cipher.js";

/** Both directions of noble's AES block: an expanded key and four little-endian words. */
type AesBlock = typeof unsafe.encrypt;

function transformWords(words: Uint32Array, keySchedule: Uint32Array, aesBlock: AesBlock): void {
  for (let at = 0; at < words.length; at += BLOCK_BYTES / 4) {
    const { s0, s1, s2, s3 } = aesBlock(keySchedule, words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
    words[at] = s0;
    words[at + 1] = s1;
    words[at + 2] = s2;
    words[at + 3] = s3;
  }
}

/** The blocks it is given start at a multiple of four bytes: they lie in the engine's scratch memory. */
class NobleTransform implements BlockTransform {
  readonly #keySchedule: Uint32Array;
  readonly #aesBlock: AesBlock;

  constructor(keySchedule: Uint32Array, aesBlock: AesBlock) {
    this.#keySchedule = keySchedule;
    this.#aesBlock = aesBlock;
  }

  run(blocks: Uint8Array): void {
    const words = new Uint32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4);
    transformWords(words, this.#keySchedule, this.#aesBlock);
  }

  clear(): void {
    this.#keySchedule.fill(0);
  }
}

function nobleAes(keyBytes: number): BlockCipher {
  return {
    keyBytes,
    encryptor: (key) => new NobleTransform(unsafe.expandKeyLE(key), unsafe.encrypt),
    decryptor: (key) => new NobleTransform(unsafe.expandKeyDecLE(key), unsafe.decrypt),
  };
}

/** AES-128 in JavaScript. */
export const nobleAes128: BlockCipher = nobleAes(16);

/** AES-256 in JavaScript. */
export const nobleAes256: BlockCipher = nobleAes(32);
