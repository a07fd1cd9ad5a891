import { BlkCryptoKey, type BlkCryptoKeyOptions } from "@inlinecrypt/blk-crypto-profile";
import { expect } from "vitest";

/** A key of 64 bytes that differ from those of other fills. */
export function keyBytes(fill: number): Uint8Array {
  return new Uint8Array(64).map((_, index) => (fill * 67 + index * 13) & 0xff);
}

export function makeKey(fill = 1, options: Partial<BlkCryptoKeyOptions> = {}): BlkCryptoKey {
  return new BlkCryptoKey({
    mode: "AES-256-XTS",
    bytes: keyBytes(fill),
    dataUnitBytes: 4096,
    dunBytes: 8,
    ...options,
  });
}

/** Bytes that repeat nowhere. */
export function pattern(bytes: number, seed = 1): Uint8Array {
  const data = new Uint8Array(bytes);
  let state = seed | 1;
  for (let index = 0; index < bytes; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[index] = state >>> 24;
  }
  return data;
}

/** `expect(...).toEqual` walks large arrays slowly. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected);
}
