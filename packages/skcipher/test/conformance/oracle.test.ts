import { referenceDecrypt, referenceEncrypt } from "@inlinecrypt/reference-crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ciphers, engines, limbs, noise, seed } from "../support.js";

const GUARD = 0xa5;
const MAX_BYTES = 2 * 65536;

/** DUNs where a limb, the IV or the whole number overflows soon, and any others. */
const anyDun = fc.oneof(
  fc
    .record({ bits: fc.constantFrom(32n, 64n, 96n, 128n, 160n, 255n, 256n), before: fc.bigInt(0n, 40n) })
    .map(({ bits, before }) => 2n ** bits - 1n - before),
  fc.bigInt(0n, 2n ** 256n - 1n),
  fc.bigInt(0n, 1000n),
);

const anyRequest = fc
  .record({ log2DataUnit: fc.integer({ min: 9, max: 16 }), fill: fc.double({ min: 0, max: 1, noNaN: true }) })
  .chain(({ log2DataUnit, fill }) => {
    const dataUnitBytes = 2 ** log2DataUnit;
    // Squared, as small requests are the likely ones, and the oracle is slow.
    const dataUnits = 1 + Math.floor(fill ** 2 * (MAX_BYTES / dataUnitBytes - 1));
    return fc.record({
      dataUnitBytes: fc.constant(dataUnitBytes),
      bytes: fc.constant(dataUnits * dataUnitBytes),
      firstDun: anyDun,
      salt: fc.integer({ min: 1, max: 2 ** 30 }),
      srcOffset: fc.integer({ min: 0, max: 17 }),
      dstOffset: fc.integer({ min: 0, max: 17 }),
      inPlace: fc.boolean(),
    });
  });

/** A view of `bytes` at `offset`, between guard bytes. */
function guarded(offset: number, bytes: Uint8Array): { whole: Uint8Array; view: Uint8Array } {
  const whole = new Uint8Array(offset + bytes.length + 19).fill(GUARD);
  const view = whole.subarray(offset, offset + bytes.length);
  view.set(bytes);
  return { whole, view };
}

function expectGuards({ whole, view }: { whole: Uint8Array; view: Uint8Array }): void {
  const outside = [...whole.subarray(0, view.byteOffset), ...whole.subarray(view.byteOffset + view.length)];
  expect(outside.every((byte) => byte === GUARD)).toBe(true);
}

describe.each(engines)("engine $name against the oracle", ({ create }) => {
  const engine = create();

  test.each(ciphers)(
    "$name: any data unit size, count, alignment and DUN, in place or not, both ways",
    (tested) => {
      const cipher = engine.alloc(tested.name);
      fc.assert(
        fc.property(anyRequest, (request) => {
          const { dataUnitBytes, bytes, firstDun, salt } = request;
          const key = noise(tested.keyBytes, salt);
          const input = noise(bytes, salt + 1);
          cipher.setKey(key);
          for (const op of ["encrypt", "decrypt"] as const) {
            const oracle = op === "encrypt" ? referenceEncrypt : referenceDecrypt;
            const dun = limbs(firstDun);
            const src = guarded(request.srcOffset, input);
            const dst = request.inPlace ? src : guarded(request.dstOffset, new Uint8Array(bytes));
            cipher[op](src.view, dst.view, dataUnitBytes, dun);
            expect(Buffer.compare(dst.view, oracle(tested.name, key, dataUnitBytes, firstDun, input))).toBe(0);
            if (!request.inPlace) expect(Buffer.compare(src.view, input)).toBe(0);
            expect(dun).toEqual(limbs(firstDun));
            expectGuards(src);
            expectGuards(dst);
          }
          expect(key).toEqual(noise(tested.keyBytes, salt));
        }),
        { seed, numRuns: 25 },
      );
    },
    60_000,
  );
});
