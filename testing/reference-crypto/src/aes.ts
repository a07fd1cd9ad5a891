import type { BlockCipher } from "./block-cipher.js";
import { inverse, multiply } from "./gf256.js";

/** Bytes of the state, which is one block. */
const STATE_BYTES = 16;

/** FIPS-197 section 5.1.1: the inverse, then bit i becomes the sum of bits i, i+4, i+5, i+6, i+7 and of 0x63. */
function substitute(byte: number): number {
  const b = inverse(byte);
  let result = 0;
  for (let i = 0; i < 8; i++) {
    const bit = [0, 4, 5, 6, 7].reduce((sum, offset) => sum ^ (b >> ((i + offset) % 8)), 0x63 >> i) & 1;
    result |= bit << i;
  }
  return result;
}

const bytes = Array.from({ length: 256 }, (_, byte) => byte);
const SBOX = Uint8Array.from(bytes, substitute);
const INVERSE_SBOX = Uint8Array.from(bytes, (byte) => SBOX.indexOf(byte));

/** The column products of MixColumns and InvMixColumns, one table for each factor. */
const timesTable = (factor: number): Uint8Array => Uint8Array.from(bytes, (byte) => multiply(byte, factor));
const TIMES_2 = timesTable(2);
const TIMES_3 = timesTable(3);
const TIMES_9 = timesTable(9);
const TIMES_11 = timesTable(11);
const TIMES_13 = timesTable(13);
const TIMES_14 = timesTable(14);

/**
 * Where ShiftRows takes byte i of the new state from. The state is stored column by column (byte i is row i % 4 of column
 * i / 4) and row r moves r columns to the left.
 */
const SHIFT_ROWS = Uint8Array.from({ length: STATE_BYTES }, (_, i) => (i + 4 * (i % 4)) % STATE_BYTES);
const INVERSE_SHIFT_ROWS = Uint8Array.from({ length: STATE_BYTES }, (_, i) => SHIFT_ROWS.indexOf(i));

/** FIPS-197 section 5.2; 16 bytes for the start and for each round. */
function expandKey(key: Uint8Array): Uint8Array {
  const keyWords = key.length / 4;
  const rounds = keyWords + 6;
  const schedule = new Uint8Array(STATE_BYTES * (rounds + 1));
  schedule.set(key);
  let roundConstant = 1;
  for (let word = keyWords; word < schedule.length / 4; word++) {
    let previous = [...schedule.subarray(4 * (word - 1), 4 * word)];
    if (word % keyWords === 0) {
      previous = [previous[1]!, previous[2]!, previous[3]!, previous[0]!].map((byte) => SBOX[byte]!);
      previous[0]! ^= roundConstant;
      roundConstant = multiply(roundConstant, 2);
    } else if (keyWords > 6 && word % keyWords === 4) {
      previous = previous.map((byte) => SBOX[byte]!);
    }
    for (let i = 0; i < 4; i++) {
      schedule[4 * word + i] = schedule[4 * (word - keyWords) + i]! ^ previous[i]!;
    }
  }
  return schedule;
}

function addRoundKey(state: Uint8Array, schedule: Uint8Array, round: number): void {
  for (let i = 0; i < STATE_BYTES; i++) state[i]! ^= schedule[STATE_BYTES * round + i]!;
}

/**
 * SubBytes and ShiftRows, or their inverses: one replaces bytes, the other moves them, so their order does not matter.
 * `before` is room for a copy of the state.
 */
function substituteAndShift(state: Uint8Array, before: Uint8Array, box: Uint8Array, from: Uint8Array): void {
  for (let i = 0; i < STATE_BYTES; i++) before[i] = state[i]!;
  for (let i = 0; i < STATE_BYTES; i++) state[i] = box[before[from[i]!]!]!;
}

/** FIPS-197 section 5.1.3. */
function mixColumns(state: Uint8Array): void {
  for (let c = 0; c < STATE_BYTES; c += 4) {
    const a = state[c]!;
    const b = state[c + 1]!;
    const d = state[c + 2]!;
    const e = state[c + 3]!;
    state[c] = TIMES_2[a]! ^ TIMES_3[b]! ^ d ^ e;
    state[c + 1] = a ^ TIMES_2[b]! ^ TIMES_3[d]! ^ e;
    state[c + 2] = a ^ b ^ TIMES_2[d]! ^ TIMES_3[e]!;
    state[c + 3] = TIMES_3[a]! ^ b ^ d ^ TIMES_2[e]!;
  }
}

/** FIPS-197 section 5.3.3. */
function inverseMixColumns(state: Uint8Array): void {
  for (let c = 0; c < STATE_BYTES; c += 4) {
    const a = state[c]!;
    const b = state[c + 1]!;
    const d = state[c + 2]!;
    const e = state[c + 3]!;
    state[c] = TIMES_14[a]! ^ TIMES_11[b]! ^ TIMES_13[d]! ^ TIMES_9[e]!;
    state[c + 1] = TIMES_9[a]! ^ TIMES_14[b]! ^ TIMES_11[d]! ^ TIMES_13[e]!;
    state[c + 2] = TIMES_13[a]! ^ TIMES_9[b]! ^ TIMES_14[d]! ^ TIMES_11[e]!;
    state[c + 3] = TIMES_11[a]! ^ TIMES_13[b]! ^ TIMES_9[d]! ^ TIMES_14[e]!;
  }
}

/** AES by the definition in FIPS-197, under a key of 16, 24 or 32 bytes. */
export class Aes implements BlockCipher {
  readonly #schedule: Uint8Array;
  readonly #rounds: number;
  readonly #scratch: Uint8Array = new Uint8Array(STATE_BYTES);

  constructor(key: Uint8Array) {
    if (![16, 24, 32].includes(key.length))
      throw new RangeError(`an AES key has 16, 24 or 32 bytes, not ${key.length}`);
    this.#schedule = expandKey(key);
    this.#rounds = this.#schedule.length / STATE_BYTES - 1;
  }

  /** Encrypts one block in place (FIPS-197 section 5.1). */
  encryptBlock(state: Uint8Array): void {
    addRoundKey(state, this.#schedule, 0);
    for (let round = 1; round <= this.#rounds; round++) {
      substituteAndShift(state, this.#scratch, SBOX, SHIFT_ROWS);
      if (round < this.#rounds) mixColumns(state);
      addRoundKey(state, this.#schedule, round);
    }
  }

  /** Decrypts one block in place (FIPS-197 section 5.3). */
  decryptBlock(state: Uint8Array): void {
    for (let round = this.#rounds; round >= 1; round--) {
      addRoundKey(state, this.#schedule, round);
      if (round < this.#rounds) inverseMixColumns(state);
      substituteAndShift(state, this.#scratch, INVERSE_SBOX, INVERSE_SHIFT_ROWS);
    }
    addRoundKey(state, this.#schedule, 0);
  }
}
