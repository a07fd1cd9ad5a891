import { secretBytes } from "./secret-bytes.js";

/** Words of a ChaCha state: four constants, eight of the key, four of counter and nonce. */
const STATE_WORDS = 16;

/** "expand 32-byte k", little-endian. */
const CONSTANTS: readonly number[] = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

function quarterRound(x: Int32Array, ai: number, bi: number, ci: number, di: number): void {
  let a = x[ai]!;
  let b = x[bi]!;
  let c = x[ci]!;
  let d = x[di]!;
  a = (a + b) | 0;
  d ^= a;
  d = (d << 16) | (d >>> 16);
  c = (c + d) | 0;
  b ^= c;
  b = (b << 12) | (b >>> 20);
  a = (a + b) | 0;
  d ^= a;
  d = (d << 8) | (d >>> 24);
  c = (c + d) | 0;
  b ^= c;
  b = (b << 7) | (b >>> 25);
  x[ai] = a;
  x[bi] = b;
  x[ci] = c;
  x[di] = d;
}

/** Twelve rounds, two at a time: over the columns, then over the diagonals. */
function permute(x: Int32Array): void {
  for (let round = 0; round < 12; round += 2) {
    quarterRound(x, 0, 4, 8, 12);
    quarterRound(x, 1, 5, 9, 13);
    quarterRound(x, 2, 6, 10, 14);
    quarterRound(x, 3, 7, 11, 15);
    quarterRound(x, 0, 5, 10, 15);
    quarterRound(x, 1, 6, 11, 12);
    quarterRound(x, 2, 7, 8, 13);
    quarterRound(x, 3, 4, 9, 14);
  }
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
