// AssemblyScript, part of adiantum.ts: twelve rounds of ChaCha on four states at a time; a vector holds the same word of each.
import { PERMUTED_AT, STATES_AT } from "./adiantum-memory";

function rotate16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

function rotate8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

function rotate(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** Twelve rounds, two at a time: over the columns, then over the diagonals. From the 16 vectors at STATES_AT to PERMUTED_AT. */
export function permute(): void {
  let x0 = v128.load(STATES_AT);
  let x1 = v128.load(STATES_AT, 16);
  let x2 = v128.load(STATES_AT, 32);
  let x3 = v128.load(STATES_AT, 48);
  let x4 = v128.load(STATES_AT, 64);
  let x5 = v128.load(STATES_AT, 80);
  let x6 = v128.load(STATES_AT, 96);
  let x7 = v128.load(STATES_AT, 112);
  let x8 = v128.load(STATES_AT, 128);
  let x9 = v128.load(STATES_AT, 144);
  let x10 = v128.load(STATES_AT, 160);
  let x11 = v128.load(STATES_AT, 176);
  let x12 = v128.load(STATES_AT, 192);
  let x13 = v128.load(STATES_AT, 208);
  let x14 = v128.load(STATES_AT, 224);
  let x15 = v128.load(STATES_AT, 240);
  for (let round = 0; round < 12; round += 2) {
    x0 = i32x4.add(x0, x4);
    x1 = i32x4.add(x1, x5);
    x2 = i32x4.add(x2, x6);
    x3 = i32x4.add(x3, x7);
    x12 = rotate16(v128.xor(x12, x0));
    x13 = rotate16(v128.xor(x13, x1));
    x14 = rotate16(v128.xor(x14, x2));
    x15 = rotate16(v128.xor(x15, x3));
    x8 = i32x4.add(x8, x12);
    x9 = i32x4.add(x9, x13);
    x10 = i32x4.add(x10, x14);
    x11 = i32x4.add(x11, x15);
    x4 = rotate(v128.xor(x4, x8), 12);
    x5 = rotate(v128.xor(x5, x9), 12);
    x6 = rotate(v128.xor(x6, x10), 12);
    x7 = rotate(v128.xor(x7, x11), 12);
    x0 = i32x4.add(x0, x4);
    x1 = i32x4.add(x1, x5);
    x2 = i32x4.add(x2, x6);
    x3 = i32x4.add(x3, x7);
    x12 = rotate8(v128.xor(x12, x0));
    x13 = rotate8(v128.xor(x13, x1));
    x14 = rotate8(v128.xor(x14, x2));
    x15 = rotate8(v128.xor(x15, x3));
    x8 = i32x4.add(x8, x12);
    x9 = i32x4.add(x9, x13);
    x10 = i32x4.add(x10, x14);
    x11 = i32x4.add(x11, x15);
    x4 = rotate(v128.xor(x4, x8), 7);
    x5 = rotate(v128.xor(x5, x9), 7);
    x6 = rotate(v128.xor(x6, x10), 7);
    x7 = rotate(v128.xor(x7, x11), 7);

    x0 = i32x4.add(x0, x5);
    x1 = i32x4.add(x1, x6);
    x2 = i32x4.add(x2, x7);
    x3 = i32x4.add(x3, x4);
    x15 = rotate16(v128.xor(x15, x0));
    x12 = rotate16(v128.xor(x12, x1));
    x13 = rotate16(v128.xor(x13, x2));
    x14 = rotate16(v128.xor(x14, x3));
    x10 = i32x4.add(x10, x15);
    x11 = i32x4.add(x11, x12);
    x8 = i32x4.add(x8, x13);
    x9 = i32x4.add(x9, x14);
    x5 = rotate(v128.xor(x5, x10), 12);
    x6 = rotate(v128.xor(x6, x11), 12);
    x7 = rotate(v128.xor(x7, x8), 12);
    x4 = rotate(v128.xor(x4, x9), 12);
    x0 = i32x4.add(x0, x5);
    x1 = i32x4.add(x1, x6);
    x2 = i32x4.add(x2, x7);
    x3 = i32x4.add(x3, x4);
    x15 = rotate8(v128.xor(x15, x0));
    x12 = rotate8(v128.xor(x12, x1));
    x13 = rotate8(v128.xor(x13, x2));
    x14 = rotate8(v128.xor(x14, x3));
    x10 = i32x4.add(x10, x15);
    x11 = i32x4.add(x11, x12);
    x8 = i32x4.add(x8, x13);
    x9 = i32x4.add(x9, x14);
    x5 = rotate(v128.xor(x5, x10), 7);
    x6 = rotate(v128.xor(x6, x11), 7);
    x7 = rotate(v128.xor(x7, x8), 7);
    x4 = rotate(v128.xor(x4, x9), 7);
  }
  v128.store(PERMUTED_AT, x0);
  v128.store(PERMUTED_AT, x1, 16);
  v128.store(PERMUTED_AT, x2, 32);
  v128.store(PERMUTED_AT, x3, 48);
  v128.store(PERMUTED_AT, x4, 64);
  v128.store(PERMUTED_AT, x5, 80);
  v128.store(PERMUTED_AT, x6, 96);
  v128.store(PERMUTED_AT, x7, 112);
  v128.store(PERMUTED_AT, x8, 128);
  v128.store(PERMUTED_AT, x9, 144);
  v128.store(PERMUTED_AT, x10, 160);
  v128.store(PERMUTED_AT, x11, 176);
  v128.store(PERMUTED_AT, x12, 192);
  v128.store(PERMUTED_AT, x13, 208);
  v128.store(PERMUTED_AT, x14, 224);
  v128.store(PERMUTED_AT, x15, 240);
}
