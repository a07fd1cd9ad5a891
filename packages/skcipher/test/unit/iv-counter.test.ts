import { expect, test } from "vitest";
import { IvCounter } from "../../src/iv-counter.js";
import { limbs } from "../support.js";

/** `count` IVs from `dun` on, as numbers. */
function ivs(dun: bigint, ivBytes: number, count: number): bigint[] {
  const counter = new IvCounter();
  counter.start(limbs(dun));
  const bytes = new Uint8Array(count * ivBytes);
  counter.fill(bytes, ivBytes);
  return Array.from({ length: count }, (_, i) => {
    const iv = bytes.subarray(i * ivBytes, (i + 1) * ivBytes);
    return iv.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  });
}

test.each([32n, 64n, 96n, 128n, 160n, 192n, 224n, 256n])("[FB-21] 32-byte IVs carry across 2^%i", (bits) => {
  const dun = 2n ** bits - 1n;
  expect(ivs(dun, 32, 3)).toEqual([dun, (dun + 1n) % 2n ** 256n, (dun + 2n) % 2n ** 256n]);
});

test("[FB-21] 16-byte IVs are the low half of the DUN", () => {
  expect(ivs(2n ** 200n + 2n ** 128n - 1n, 16, 2)).toEqual([2n ** 128n - 1n, 0n]);
});

test("a second fill goes on where the first one ended", () => {
  const counter = new IvCounter();
  counter.start(limbs(0xfffffffen));
  const bytes = new Uint8Array(32);
  counter.fill(bytes, 16);
  counter.fill(bytes, 16);
  expect([bytes[0], bytes[4], bytes[16], bytes[20]]).toEqual([0, 1, 1, 1]);
});

test("the DUN it starts at is copied", () => {
  const dun = limbs(5n);
  const counter = new IvCounter();
  counter.start(dun);
  counter.fill(new Uint8Array(16), 16);
  expect(dun).toEqual(limbs(5n));
});
