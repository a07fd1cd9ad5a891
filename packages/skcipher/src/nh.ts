/** Words of a message that are hashed to one NH hash. */
export const NH_MESSAGE_WORDS = 256;

/** Words of an NH key: a message's, and 4 more for each pass but the first, as each begins 4 words later. */
export const NH_KEY_WORDS: number = NH_MESSAGE_WORDS + 12;

/** Words of an NH hash: 64 bits for each of 4 passes. */
export const NH_HASH_WORDS = 8;

/** So many products of 16 and 32 bits add up to less than 2^53. */
const EXACT_PRODUCTS = 32;

/** Adds `low` + `high` * 2^16 to a number of two words, modulo 2^64. */
function accumulate(sum: Int32Array, at: number, low: number, high: number): void {
  const lowWord = (sum[at]! >>> 0) + (low % 2 ** 32) + (high % 2 ** 16) * 2 ** 16;
  sum[at] = lowWord;
  sum[at + 1] = sum[at + 1]! + Math.floor(lowWord / 2 ** 32) + Math.floor(low / 2 ** 32) + Math.floor(high / 2 ** 16);
}

/** One pass: the sum of products of (word + key word) and (word two behind it + key word), of 64 bits. */
function pass(
  hash: Int32Array,
  hashAt: number,
  key: Int32Array,
  keyAt: number,
  message: Int32Array,
  at: number,
  words: number,
): void {
  hash[hashAt] = 0;
  hash[hashAt + 1] = 0;
  for (let begin = 0; begin < words; begin += 2 * EXACT_PRODUCTS) {
    const end = Math.min(words, begin + 2 * EXACT_PRODUCTS);
    let low = 0;
    let high = 0;
    for (let i = begin; i < end; i += 4) {
      const a0 = (message[at + i]! + key[keyAt + i]!) >>> 0;
      const a1 = (message[at + i + 1]! + key[keyAt + i + 1]!) >>> 0;
      const b0 = (message[at + i + 2]! + key[keyAt + i + 2]!) >>> 0;
      const b1 = (message[at + i + 3]! + key[keyAt + i + 3]!) >>> 0;
      low += (a0 & 0xffff) * b0 + (a1 & 0xffff) * b1;
      high += (a0 >>> 16) * b0 + (a1 >>> 16) * b1;
    }
    accumulate(hash, hashAt, low, high);
  }
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
