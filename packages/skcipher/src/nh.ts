/** Words of a message that are hashed to one NH hash. */
export const NH_MESSAGE_WORDS = 256;

/** Words of an NH key: a message's, and 4 more for each pass but the first, as each begins 4 words later. */
export const NH_KEY_WORDS: number = NH_MESSAGE_WORDS + 12;

/** Words of an NH hash: 64 bits for each of 4 passes. */
export const NH_HASH_WORDS = 8;

/** One pass: the sum, of 64 bits, of products of (word + key word) and (word two behind it + its key word). */
function pass(
  hash: Int32Array,
  hashAt: number,
  key: Int32Array,
  keyAt: number,
  message: Int32Array,
  at: number,
  words: number,
): void {
  // The sum, but rounded: 128 products below 2^64 are some 2^24 off at most.
  let rounded = 0;
  // The sum of the products' low words, exactly.
  let low = 0;
  for (let i = 0; i < words; i += 4) {
    const a0 = (message[at + i]! + key[keyAt + i]!) | 0;
    const a1 = (message[at + i + 1]! + key[keyAt + i + 1]!) | 0;
    const b0 = (message[at + i + 2]! + key[keyAt + i + 2]!) | 0;
    const b1 = (message[at + i + 3]! + key[keyAt + i + 3]!) | 0;
    rounded += (a0 >>> 0) * (b0 >>> 0) + (a1 >>> 0) * (b1 >>> 0);
    low += (Math.imul(a0, b0) >>> 0) + (Math.imul(a1, b1) >>> 0);
  }
  const lowWord = low % 2 ** 32;
  hash[hashAt] = lowWord;
  // Without its exact low word the sum is a multiple of 2^32, so what is off vanishes.
  hash[hashAt + 1] = Math.round((rounded - lowWord) / 2 ** 32);
}

/**
 * The NH hash of up to `NH_MESSAGE_WORDS` words, a multiple of 4.
 *
 * @param hash - gets `NH_HASH_WORDS` words
 * @kernel crypto/nhpoly1305.c: nh_generic
 */
export function nh(hash: Int32Array, key: Int32Array, message: Int32Array, at: number, words: number): void {
  for (let i = 0; i < 4; i++) pass(hash, 2 * i, key, 4 * i, message, at, words);
}
