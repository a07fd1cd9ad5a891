import { secretBytes } from "./secret-bytes.js";

/** The number is computed in limbs of 13 bits: products of them add up exactly in a JavaScript number. */
const LIMBS = 10;
const LIMB_BITS = 13;
const LIMB = 2 ** LIMB_BITS;

/** Bit 128, within the highest limb: it is added to each block. */
const BLOCK_END = 2 ** (128 - (LIMBS - 1) * LIMB_BITS);

/** What is left of each word of a key. */
const CLAMP: readonly number[] = [0x0fffffff, 0x0ffffffc, 0x0ffffffc, 0x0ffffffc];

/** Limb `i` of four words from `at` on. */
function limb(words: Int32Array, at: number, i: number): number {
  const bit = i * LIMB_BITS;
  const word = at + (bit >>> 5);
  const shift = bit & 31;
  let value = words[word]! >>> shift;
  if (shift > 32 - LIMB_BITS && word < at + 3) value |= words[word + 1]! << (32 - shift);
  return value & (LIMB - 1);
}

/** Makes every limb less than 2^13. @returns what left at the top */
function carryOut(limbs: Float64Array): number {
  let carry = 0;
  for (let i = 0; i < LIMBS; i++) {
    const total = limbs[i]! + carry;
    carry = Math.floor(total / LIMB);
    limbs[i] = total - carry * LIMB;
  }
  return carry;
}

/**
 * Poly1305 of whole blocks, without the secret number that makes an authenticator of it. Blocks are four little-endian words.
 *
 * @kernel lib/crypto/poly1305-donna32.c: poly1305_core_blocks, poly1305_core_emit
 */
export class Poly1305 {
  /** Behind the key's limbs in [10, 20), five times those limbs in [0, 10): what leaves at the top comes back times 5. */
  readonly #key: Float64Array = new Float64Array(secretBytes(8 * 2 * LIMBS).buffer);
  readonly #sum: Float64Array = new Float64Array(secretBytes(8 * LIMBS).buffer);
  readonly #product: Float64Array = new Float64Array(secretBytes(8 * LIMBS).buffer);
  readonly #clamped: Int32Array = new Int32Array(secretBytes(16).buffer);

  /** Sets the key, four words from `at` on. */
  setKey(words: Int32Array, at: number): void {
    for (let i = 0; i < 4; i++) this.#clamped[i] = words[at + i]! & CLAMP[i]!;
    for (let i = 0; i < LIMBS; i++) {
      const value = limb(this.#clamped, 0, i);
      this.#key[LIMBS + i] = value;
      this.#key[i] = 5 * value;
    }
  }

  /** Begins a message. */
  start(): void {
    this.#sum.fill(0);
  }

  /** Hashes a block: four words from `at` on. */
  addBlock(words: Int32Array, at: number): void {
    const sum = this.#sum;
    for (let i = 0; i < LIMBS; i++) sum[i] = sum[i]! + limb(words, at, i);
    sum[LIMBS - 1] = sum[LIMBS - 1]! + BLOCK_END;
    this.#multiply();
  }

  /** Ends the message: its hash modulo 2^128 becomes four words of `target`, from `at` on. */
  finish(target: Int32Array, at: number): void {
    const sum = this.#sum;
    this.#reduce();
    target.fill(0, at, at + 4);
    for (let i = 0; i < LIMBS; i++) {
      const bit = i * LIMB_BITS;
      const word = at + (bit >>> 5);
      const shift = bit & 31;
      target[word] = target[word]! | (sum[i]! << shift);
      if (shift > 32 - LIMB_BITS && word < at + 3) target[word + 1] = sum[i]! >>> (32 - shift);
    }
  }

  /** Wipes key and message. */
  clear(): void {
    this.#key.fill(0);
    this.#sum.fill(0);
    this.#product.fill(0);
    this.#clamped.fill(0);
  }

  /** Multiplies by the key, modulo 2^130 - 5, up to a few bits. */
  #multiply(): void {
    const [key, sum, product] = [this.#key, this.#sum, this.#product];
    let carry = 0;
    for (let i = 0; i < LIMBS; i++) {
      let total = carry;
      // Key limb i - j; when negative, the one ten higher, times 5.
      for (let j = 0; j < LIMBS; j++) total += sum[j]! * key[LIMBS + i - j]!;
      carry = Math.floor(total / LIMB);
      product[i] = total - carry * LIMB;
    }
    sum.set(product);
    sum[0] = sum[0]! + 5 * carry;
    carry = Math.floor(sum[0]! / LIMB);
    sum[0] = sum[0]! - carry * LIMB;
    sum[1] = sum[1]! + carry;
  }

  /** Makes it less than 2^130 - 5. */
  #reduce(): void {
    const [sum, product] = [this.#sum, this.#product];
    // Twice, as the first time may make it reach 2^130 again, but only just.
    for (let i = 0; i < 2; i++) {
      const top = carryOut(sum);
      sum[0] = sum[0]! + 5 * top;
    }
    // With 5 more it reaches 2^130 if it is not less than 2^130 - 5, and what is left below 2^130 is what is wanted.
    product.set(sum);
    product[0] = product[0]! + 5;
    if (carryOut(product) === 1) sum.set(product);
  }
}
