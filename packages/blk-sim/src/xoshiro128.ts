/**
 * The generator xoshiro128** 1.1 of Blackman and Vigna (public domain): small, fast, and passes every known test of
 * randomness. Nothing for keys.
 */
export class Xoshiro128 {
  readonly #state: Uint32Array;

  /** Takes over the state: four numbers, not all zero. */
  constructor(state: Uint32Array) {
    this.#state = state;
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    const state = this.#state;
    const result = Math.imul(rotateLeft(Math.imul(state[1]!, 5), 7), 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = rotateLeft(state[3]!, 11);
    return result;
  }
}

/** A state from any text: each of its words is another hash of it (FNV-1a, then the finaliser of splitmix32). */
export function stateFromText(text: string): Uint32Array {
  const state = new Uint32Array(4);
  for (let index = 0; index < state.length; index++) state[index] = mix(hash(text, index));
  return state;
}

function hash(text: string, variant: number): number {
  let value = 0x811c9dc5 ^ Math.imul(variant, 0x9e3779b9);
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value;
}

function mix(value: number): number {
  let mixed = (value + 0x9e3779b9) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
