import type { BlockCipher } from "./block-cipher.js";
import { inverse } from "./gf256.js";

const ROUNDS = 32;
const KEY_BYTES = 16;

/** x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, the field that SM4's S-box is made in. */
const POLYNOMIAL = 0x1f5;

function parity(byte: number): number {
  let ones = 0;
  for (let bit = 0; bit < 8; bit++) ones += (byte >> bit) & 1;
  return ones % 2;
}

/** Bit i is the sum of the bits of `byte` under 0xa7 rotated left by i, and of bit i of 0xd3. */
function affine(byte: number): number {
  let result = 0xd3;
  for (let i = 0; i < 8; i++) {
    const row = ((0xa7 << i) | (0xa7 >> (8 - i))) & 0xff;
    result ^= parity(row & byte) << i;
  }
  return result;
}

/** GB/T 32907 prints the S-box as a table; it is an inverse between two affine maps. */
const SBOX = Uint8Array.from({ length: 256 }, (_, byte) => affine(inverse(affine(byte), POLYNOMIAL)));

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** The non-linear transformation: every byte through the S-box. */
function tau(word: number): number {
  const high = (SBOX[word >>> 24]! << 24) | (SBOX[(word >>> 16) & 0xff]! << 16);
  return high | (SBOX[(word >>> 8) & 0xff]! << 8) | SBOX[word & 0xff]!;
}

/** The transformation T of a round. */
function mix(word: number): number {
  const b = tau(word);
  return b ^ rotateLeft(b, 2) ^ rotateLeft(b, 10) ^ rotateLeft(b, 18) ^ rotateLeft(b, 24);
}

/** The transformation T' of the key schedule. */
function mixKey(word: number): number {
  const b = tau(word);
  return b ^ rotateLeft(b, 13) ^ rotateLeft(b, 23);
}

/** The system parameters FK. */
const FAMILY_KEY = [0xa3b1bac6, 0x56aa3350, 0x677d9197, 0xb27022dc];

/** The fixed parameter CK of a round: byte j is 7 * (4 * round + j) mod 256. */
function constantKey(round: number): number {
  return [0, 1, 2, 3].reduce((word, j) => (word << 8) | ((7 * (4 * round + j)) & 0xff), 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The round keys, in the order of encryption. */
function expandKey(key: Uint8Array): Int32Array {
  const k = new Int32Array(ROUNDS + 4);
  for (let i = 0; i < 4; i++) k[i] = viewOf(key).getInt32(4 * i) ^ FAMILY_KEY[i]!;
  for (let i = 0; i < ROUNDS; i++) k[i + 4] = k[i]! ^ mixKey(k[i + 1]! ^ k[i + 2]! ^ k[i + 3]! ^ constantKey(i));
  return k.subarray(4);
}

/** SM4 by the definition in GB/T 32907-2016, under a key of 16 bytes. */
export class Sm4 implements BlockCipher {
  readonly #roundKeys: Int32Array;
  readonly #x: Int32Array = new Int32Array(ROUNDS + 4);

  constructor(key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new RangeError(`an SM4 key has 16 bytes, not ${key.length}`);
    this.#roundKeys = expandKey(key);
  }

  /** Encrypts one block in place. */
  encryptBlock(block: Uint8Array): void {
    this.#crypt(viewOf(block), this.#roundKeys);
  }

  /** Decrypts one block in place: the same rounds with the keys in reverse. */
  decryptBlock(block: Uint8Array): void {
    this.#crypt(viewOf(block), this.#roundKeys.toReversed());
  }

  /** 32 rounds, each making a word of the four before it; the block becomes the last four, in reverse. */
  #crypt(block: DataView, roundKeys: Int32Array): void {
    const x = this.#x;
    for (let i = 0; i < 4; i++) x[i] = block.getInt32(4 * i);
    for (let i = 0; i < ROUNDS; i++) x[i + 4] = x[i]! ^ mix(x[i + 1]! ^ x[i + 2]! ^ x[i + 3]! ^ roundKeys[i]!);
    for (let i = 0; i < 4; i++) block.setInt32(4 * i, x[ROUNDS + 3 - i]!);
  }
}
