import { secretBytes } from "./secret-bytes.js";

/** Words of a ChaCha state: four constants, eight of the key, four of counter and nonce. */
const STATE_WORDS = 16;

/** "expand 32-byte k", little-endian. */
const CONSTANTS: readonly number[] = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** Twelve rounds, two at a time: over the columns, then over the diagonals. In variables, not in the array: four times as fast. */
function permute(x: Int32Array): void {
  let x0 = x[0]!;
  let x1 = x[1]!;
  let x2 = x[2]!;
  let x3 = x[3]!;
  let x4 = x[4]!;
  let x5 = x[5]!;
  let x6 = x[6]!;
  let x7 = x[7]!;
  let x8 = x[8]!;
  let x9 = x[9]!;
  let x10 = x[10]!;
  let x11 = x[11]!;
  let x12 = x[12]!;
  let x13 = x[13]!;
  let x14 = x[14]!;
  let x15 = x[15]!;
  for (let round = 0; round < 12; round += 2) {
    x0 = (x0 + x4) | 0;
    x1 = (x1 + x5) | 0;
    x2 = (x2 + x6) | 0;
    x3 = (x3 + x7) | 0;
    x12 = rotate(x12 ^ x0, 16);
    x13 = rotate(x13 ^ x1, 16);
    x14 = rotate(x14 ^ x2, 16);
    x15 = rotate(x15 ^ x3, 16);
    x8 = (x8 + x12) | 0;
    x9 = (x9 + x13) | 0;
    x10 = (x10 + x14) | 0;
    x11 = (x11 + x15) | 0;
    x4 = rotate(x4 ^ x8, 12);
    x5 = rotate(x5 ^ x9, 12);
    x6 = rotate(x6 ^ x10, 12);
    x7 = rotate(x7 ^ x11, 12);
    x0 = (x0 + x4) | 0;
    x1 = (x1 + x5) | 0;
    x2 = (x2 + x6) | 0;
    x3 = (x3 + x7) | 0;
    x12 = rotate(x12 ^ x0, 8);
    x13 = rotate(x13 ^ x1, 8);
    x14 = rotate(x14 ^ x2, 8);
    x15 = rotate(x15 ^ x3, 8);
    x8 = (x8 + x12) | 0;
    x9 = (x9 + x13) | 0;
    x10 = (x10 + x14) | 0;
    x11 = (x11 + x15) | 0;
    x4 = rotate(x4 ^ x8, 7);
    x5 = rotate(x5 ^ x9, 7);
    x6 = rotate(x6 ^ x10, 7);
    x7 = rotate(x7 ^ x11, 7);

    x0 = (x0 + x5) | 0;
    x1 = (x1 + x6) | 0;
    x2 = (x2 + x7) | 0;
    x3 = (x3 + x4) | 0;
    x15 = rotate(x15 ^ x0, 16);
    x12 = rotate(x12 ^ x1, 16);
    x13 = rotate(x13 ^ x2, 16);
    x14 = rotate(x14 ^ x3, 16);
    x10 = (x10 + x15) | 0;
    x11 = (x11 + x12) | 0;
    x8 = (x8 + x13) | 0;
    x9 = (x9 + x14) | 0;
    x5 = rotate(x5 ^ x10, 12);
    x6 = rotate(x6 ^ x11, 12);
    x7 = rotate(x7 ^ x8, 12);
    x4 = rotate(x4 ^ x9, 12);
    x0 = (x0 + x5) | 0;
    x1 = (x1 + x6) | 0;
    x2 = (x2 + x7) | 0;
    x3 = (x3 + x4) | 0;
    x15 = rotate(x15 ^ x0, 8);
    x12 = rotate(x12 ^ x1, 8);
    x13 = rotate(x13 ^ x2, 8);
    x14 = rotate(x14 ^ x3, 8);
    x10 = (x10 + x15) | 0;
    x11 = (x11 + x12) | 0;
    x8 = (x8 + x13) | 0;
    x9 = (x9 + x14) | 0;
    x5 = rotate(x5 ^ x10, 7);
    x6 = rotate(x6 ^ x11, 7);
    x7 = rotate(x7 ^ x8, 7);
    x4 = rotate(x4 ^ x9, 7);
  }
  x[0] = x0;
  x[1] = x1;
  x[2] = x2;
  x[3] = x3;
  x[4] = x4;
  x[5] = x5;
  x[6] = x6;
  x[7] = x7;
  x[8] = x8;
  x[9] = x9;
  x[10] = x10;
  x[11] = x11;
  x[12] = x12;
  x[13] = x13;
  x[14] = x14;
  x[15] = x15;
}

/**
 * XChaCha with twelve rounds. All memory it gets is of little-endian words.
 *
 * @kernel lib/crypto/chacha.c: hchacha_block_generic, chacha_crypt_generic; crypto/chacha.c: crypto_xchacha_crypt
 */
export class XChaCha12 {
  readonly #state: Int32Array = new Int32Array(secretBytes(4 * STATE_WORDS).buffer);
  readonly #block: Int32Array = new Int32Array(secretBytes(4 * STATE_WORDS).buffer);

  /**
   * Starts a key stream.
   *
   * @param key - eight words
   * @param nonce - the first four of six words, from `nonceAt` on
   * @param nonceFifth - the fifth; the last one is zero
   */
  start(key: Int32Array, nonce: Int32Array, nonceAt: number, nonceFifth: number): void {
    const [state, block] = [this.#state, this.#block];
    block.set(CONSTANTS);
    block.set(key.subarray(0, 8), 4);
    for (let i = 0; i < 4; i++) block[12 + i] = nonce[nonceAt + i]!;
    permute(block);
    // HChaCha: the first and the last row are the key of the stream.
    state.set(CONSTANTS);
    for (let i = 0; i < 4; i++) {
      state[4 + i] = block[i]!;
      state[8 + i] = block[12 + i]!;
    }
    // A counter of 64 bits, and the rest of the nonce.
    state[12] = 0;
    state[13] = 0;
    state[14] = nonceFifth;
    state[15] = 0;
  }

  /** Adds the key stream to `words` words of `data`, from `at` on; each call begins at a block of 16 words. */
  add(data: Int32Array, at: number, words: number): void {
    const [state, block] = [this.#state, this.#block];
    for (let done = 0; done < words; done += STATE_WORDS) {
      block.set(state);
      permute(block);
      const count = Math.min(STATE_WORDS, words - done);
      for (let i = 0; i < count; i++) {
        data[at + done + i] = data[at + done + i]! ^ (block[i]! + state[i]!);
      }
      // A data unit has few blocks: the counter stays in its low word.
      state[12] = state[12]! + 1;
    }
  }

  /** Wipes what came of the key. */
  clear(): void {
    this.#state.fill(0);
    this.#block.fill(0);
  }
}
