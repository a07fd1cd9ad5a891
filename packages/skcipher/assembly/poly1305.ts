// AssemblyScript, part of adiantum.ts: Poly1305 of whole blocks, in limbs of 26 bits.
import { CLAMPED_KEY_AT, SUM_AT } from "./adiantum-memory";

const LIMB: u64 = 0x3ffffff;

/** What is left of most words of a key. */
const CLAMP: u64 = 0x0ffffffc;

function sumLimb(i: usize): u64 {
  return load<u64>(SUM_AT + 8 * i);
}

function keyLimb(i: usize): u64 {
  return load<u64>(CLAMPED_KEY_AT + 8 * i);
}

function storeSum(i: usize, limb: u64): void {
  store<u64>(SUM_AT + 8 * i, limb);
}

/** Sets the key at an address, clamped, and begins a message. */
export function startPoly1305(key: usize): void {
  const low = load<u64>(key) & ((CLAMP << 32) | 0x0fffffff);
  const high = load<u64>(key + 8) & ((CLAMP << 32) | CLAMP);
  store<u64>(CLAMPED_KEY_AT, low & LIMB);
  store<u64>(CLAMPED_KEY_AT + 8, (low >> 26) & LIMB);
  store<u64>(CLAMPED_KEY_AT + 16, ((low >> 52) | (high << 12)) & LIMB);
  store<u64>(CLAMPED_KEY_AT + 24, (high >> 14) & LIMB);
  store<u64>(CLAMPED_KEY_AT + 32, high >> 40);
  for (let i: usize = 0; i < 5; i++) storeSum(i, 0);
}

/** Hashes a block. */
export function addBlock(low: u64, high: u64): void {
  const h0 = sumLimb(0) + (low & LIMB);
  const h1 = sumLimb(1) + ((low >> 26) & LIMB);
  const h2 = sumLimb(2) + (((low >> 52) | (high << 12)) & LIMB);
  const h3 = sumLimb(3) + ((high >> 14) & LIMB);
  const h4 = sumLimb(4) + ((high >> 40) | (1 << 24));
  const r0 = keyLimb(0);
  const r1 = keyLimb(1);
  const r2 = keyLimb(2);
  const r3 = keyLimb(3);
  const r4 = keyLimb(4);
  // What leaves at the top comes back times 5.
  const s1 = 5 * r1;
  const s2 = 5 * r2;
  const s3 = 5 * r3;
  const s4 = 5 * r4;
  const d0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1;
  const d1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2 + (d0 >> 26);
  const d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3 + (d1 >> 26);
  const d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4 + (d2 >> 26);
  const d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + (d3 >> 26);
  const lowest = (d0 & LIMB) + 5 * (d4 >> 26);
  storeSum(0, lowest & LIMB);
  storeSum(1, (d1 & LIMB) + (lowest >> 26));
  storeSum(2, d2 & LIMB);
  storeSum(3, d3 & LIMB);
  storeSum(4, d4 & LIMB);
}

/** Makes every limb of the sum less than 2^26; what leaves at the top is returned. */
function carryOut(): u64 {
  let carry: u64 = 0;
  for (let i: usize = 0; i < 5; i++) {
    const limb = sumLimb(i) + carry;
    storeSum(i, limb & LIMB);
    carry = limb >> 26;
  }
  return carry;
}

/** Ends the message: makes the sum less than 2^130 - 5, so that its low 128 bits are the hash. */
export function reduceSum(): void {
  // Twice, as the first time may make it reach 2^130 again, but only just.
  for (let i = 0; i < 2; i++) {
    const top = carryOut();
    storeSum(0, sumLimb(0) + 5 * top);
  }
  // With 5 more it reaches 2^130 if it is not less than 2^130 - 5, and what is left below 2^130 is what is wanted.
  let carry: u64 = 5;
  for (let i: usize = 0; i < 5; i++) carry = (sumLimb(i) + carry) >> 26;
  storeSum(0, sumLimb(0) + 5 * carry);
  carryOut();
}

export function hashLow(): u64 {
  return sumLimb(0) | (sumLimb(1) << 26) | (sumLimb(2) << 52);
}

export function hashHigh(): u64 {
  return (sumLimb(2) >> 12) | (sumLimb(3) << 14) | (sumLimb(4) << 40);
}
