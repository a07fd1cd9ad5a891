import { secretBytes } from "./secret-bytes.js";

const BLOCK_BYTES = 64;

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const ROUND_CONSTANTS: Int32Array = Int32Array.of(
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2,
);

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

/** The first 32 bits of the fractional parts of the square roots of the first eight primes. */
const INITIAL_STATE: Uint32Array = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);

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
    state.setUint32(4 * i, word);
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
