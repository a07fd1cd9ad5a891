import { copyDun, dunIncrement, dunIsContiguous, dunToBigInt, newDun, setDunFromBigInt } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const MODULUS = 1n << 256n;
const anyDun = fc.oneof(
  fc.bigInt({ min: 0n, max: MODULUS - 1n }),
  // Near a carry out of limb 1 to 8, where mistakes live.
  fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: -3, max: 3 })).map(([limbs, delta]) => {
    const value = (1n << BigInt(32 * limbs)) + BigInt(delta);
    return ((value % MODULUS) + MODULUS) % MODULUS;
  }),
);
const anyCount = fc.oneof(fc.nat(100), fc.maxSafeNat(), fc.constantFrom(2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1));

describe("data unit numbers", () => {
  it("[CORE-7] addition carries across limbs and wraps at 2^256", () => {
    const dun = newDun(2n ** 64n - 1n);
    dunIncrement(dun, 1);
    expect([...dun]).toEqual([0, 0, 1, 0, 0, 0, 0, 0]);
    setDunFromBigInt(dun, MODULUS - 1n);
    dunIncrement(dun, 1);
    expect(dunToBigInt(dun)).toBe(0n);
  });

  it("addition is addition modulo 2^256", () => {
    fc.assert(
      fc.property(anyDun, anyCount, (start, count) => {
        const dun = newDun(start);
        dunIncrement(dun, count);
        expect(dunToBigInt(dun)).toBe((start + BigInt(count)) % MODULUS);
      }),
      { seed: 7, numRuns: 2000 },
    );
  });

  it("[CORE-26] a carry is contiguous, a wrap of all limbs is not", () => {
    expect(dunIsContiguous(newDun(2n ** 64n - 1n), 1, newDun(2n ** 64n))).toBe(true);
    expect(dunIsContiguous(newDun(MODULUS - 1n), 1, newDun(0n))).toBe(false);
    fc.assert(
      fc.property(anyDun, anyCount, anyDun, (start, count, other) => {
        const end = start + BigInt(count);
        if (end < MODULUS) expect(dunIsContiguous(newDun(start), count, newDun(end))).toBe(true);
        if (other !== end) expect(dunIsContiguous(newDun(start), count, newDun(other))).toBe(false);
      }),
      { seed: 26, numRuns: 2000 },
    );
  });

  it("[API-2] copies and converts without loss", () => {
    const copy = newDun();
    copyDun(copy, newDun(0x1_2345_6789_abcd_ef01n));
    expect(dunToBigInt(copy)).toBe(0x1_2345_6789_abcd_ef01n);
  });

  it("[API-2] is four limbs of 64 bits, the least significant first, each held as two halves", () => {
    const dun = newDun((4n << 192n) | (3n << 128n) | (2n << 64n) | 0x1_0000_0005n);
    expect([...dun]).toEqual([5, 1, 2, 0, 3, 0, 4, 0]);
  });

  it("[API-2] refuses numbers that are not 256 bits", () => {
    expect(() => newDun(-1n)).toThrow(/0 to 2\^256 - 1/);
    expect(() => newDun(MODULUS)).toThrow(/0 to 2\^256 - 1/);
  });
});
