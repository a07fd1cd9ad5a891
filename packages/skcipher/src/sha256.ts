import { secretBytes } from "./secret-bytes.js";

const BLOCK_BYTES = 64;

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const ROUND_CONSTANTS: Int32Array = parseWords(
  "428a2f98 71374491 b5c0fbcf e9b5dba5 3956c25b 59f111f1 923f82a4 ab1c5ed5 " +
    "d807aa98 12835b01 243185be 550c7dc3 72be5d74 80deb1fe 9bdc06a7 c19bf174 " +
    "e49b69c1 efbe4786 0fc19dc6 240ca1cc 2de92c6f 4a7484aa 5cb0a9dc 76f988da " +
    "983e5152 a831c66d b00327c8 bf597fc7 c6e00bf3 d5a79147 06ca6351 14292967 " +
    "27b70a85 2e1b2138 4d2c6dfc 53380d13 650a7354 766a0abb 81c2c92e 92722c85 " +
    "a2bfe8a1 a81a664b c24b8b70 c76c51a3 d192e819 d6990624 f40e3585 106aa070 " +
    "19a4c116 1e376c08 2748774c 34b0bcb5 391c0cb3 4ed8aa4a 5b9cca4f 682e6ff3 " +
    "748f82ee 78a5636f 84c87814 8cc70208 90befffa a4506ceb bef9a3f7 c67178f2 ",
);

/** The first 32 bits of the fractional parts of the square roots of the first eight primes. */
const INITIAL_STATE: Int32Array = parseWords("6a09e667 bb67ae85 3c6ef372 a54ff53a 510e527f 9b05688c 1f83d9ab 5be0cd19");

function parseWords(hex: string): Int32Array {
  return Int32Array.from(hex.trim().split(" "), (word) => Number.parseInt(word, 16));
}

function rotateRight(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** FIPS 180-4 section 6.2.2, step 1. */
function expand(schedule: DataView): void {
  for (let at = 64; at < 256; at += 4) {
    const w2 = schedule.getInt32(at - 8);
    const w15 = schedule.getInt32(at - 60);
    const s0 = rotateRight(w15, 7) ^ rotateRight(w15, 18) ^ (w15 >>> 3);
    const s1 = rotateRight(w2, 17) ^ rotateRight(w2, 19) ^ (w2 >>> 10);
    schedule.setInt32(at, schedule.getInt32(at - 64) + s0 + schedule.getInt32(at - 28) + s1);
  }
}

function addWord(state: DataView, at: number, word: number): void {
  state.setInt32(at, state.getInt32(at) + word);
}

/** FIPS 180-4 section 6.2.2, steps 2 to 4. No arrays: they would lie in V8's heap. */
function compress(state: DataView, schedule: DataView): void {
  let a = state.getInt32(0);
  let b = state.getInt32(4);
  let c = state.getInt32(8);
  let d = state.getInt32(12);
  let e = state.getInt32(16);
  let f = state.getInt32(20);
  let g = state.getInt32(24);
  let h = state.getInt32(28);
  for (let round = 0; round < 64; round++) {
    const s1 = rotateRight(e, 6) ^ rotateRight(e, 11) ^ rotateRight(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_CONSTANTS[round]! + schedule.getInt32(4 * round)) | 0;
    const s0 = rotateRight(a, 2) ^ rotateRight(a, 13) ^ rotateRight(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  addWord(state, 0, a);
  addWord(state, 4, b);
  addWord(state, 8, c);
  addWord(state, 12, d);
  addWord(state, 16, e);
  addWord(state, 20, f);
  addWord(state, 24, g);
  addWord(state, 28, h);
}

/**
 * SHA-256 of a message that may be a key: all that is made of it on the way is wiped. Meant for short ones; it does a few ten
 * MB/s.
 *
 * @returns 32 bytes, in memory as of `secretBytes`
 */
export function sha256(message: Uint8Array): Uint8Array {
  // The message, a 1 bit, zeros, and the message's length in bits.
  const padded = secretBytes(Math.ceil((message.length + 9) / BLOCK_BYTES) * BLOCK_BYTES);
  padded.set(message);
  padded[message.length] = 0x80;
  new DataView(padded.buffer).setUint32(padded.length - 4, 8 * message.length);

  const digest = secretBytes(32);
  const state = new DataView(digest.buffer);
  INITIAL_STATE.forEach((word, i) => {
    state.setInt32(4 * i, word);
  });
  const words = secretBytes(256);
  const schedule = new DataView(words.buffer);
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) {
    words.set(padded.subarray(at, at + BLOCK_BYTES));
    expand(schedule);
    compress(state, schedule);
  }
  padded.fill(0);
  words.fill(0);
  return digest;
}
