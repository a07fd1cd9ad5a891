import { BlockLayer } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import {
  BlkCryptoKey,
  BlkCryptoProfile,
  blkCryptoHasCapabilities,
  CryptoCapabilities,
  type CryptoKeyType,
} from "@inlinecrypt/blk-crypto-profile";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const make = (
  xts: number,
  adiantum: number,
  maxDunBytesSupported: number,
  ...keyTypesSupported: CryptoKeyType[]
): CryptoCapabilities =>
  new CryptoCapabilities({
    modesSupported: { "AES-256-XTS": xts, Adiantum: adiantum },
    maxDunBytesSupported,
    keyTypesSupported,
  });
const shown = (each: CryptoCapabilities): unknown[] => [
  each.dataUnitMask(1),
  each.dataUnitMask(2),
  each.dataUnitMask(3),
  each.maxDunBytesSupported,
  each.keyTypesSupported,
];

describe("intersecting", () => {
  it("[PROF-30] ands every mode's mask and the key types, and takes the fewer DUN bytes", () => {
    const parent = make(512 | 4096, 4096, 16, "raw", "hw-wrapped");
    parent.intersect(make(1024 | 4096, 0, 8, "hw-wrapped"));
    expect(shown(parent)).toEqual([4096, 0, 0, 8, ["hw-wrapped"]]);
    parent.intersect(make(4096, 4096, 32, "raw", "hw-wrapped"));
    expect(shown(parent)).toEqual([4096, 0, 0, 8, ["hw-wrapped"]]);
  });

  it("[PROF-30] without a child clears everything", () => {
    const parent = CryptoCapabilities.all();
    parent.intersect(null);
    expect(shown(parent)).toEqual([0, 0, 0, 0, []]);
    expect(parent.match({ modeNum: 1, dataUnitBytes: 4096, dunBytes: 1, keyType: "raw" })).toBe(false);
  });

  it("[PROF-30] starting from all there is gives what the one child can do", () => {
    const parent = CryptoCapabilities.all();
    expect(shown(parent)).toEqual([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1, 32, ["raw", "hw-wrapped"]]);
    parent.intersect(make(2 ** 31, 512, 3, "raw"));
    expect(shown(parent)).toEqual([2 ** 31, 0, 512, 3, ["raw"]]);
  });
});

describe("blkCryptoHasCapabilities", () => {
  const target = make(512 | 4096, 4096, 8, "raw");

  it("[PROF-31] is a superset test over masks, DUN bytes and key types", () => {
    for (const reference of [make(512, 4096, 8, "raw"), make(0, 0, 1), target]) {
      expect(blkCryptoHasCapabilities(target, reference)).toBe(true);
    }
    for (const reference of [
      make(512 | 1024, 0, 8, "raw"),
      make(0, 512, 8, "raw"),
      make(2 ** 31, 0, 8, "raw"),
      make(512, 0, 9, "raw"),
      make(512, 0, 8, "raw", "hw-wrapped"),
    ]) {
      expect(blkCryptoHasCapabilities(target, reference)).toBe(false);
    }
  });

  it("[PROF-31] no reference is always included, no target includes nothing else", () => {
    expect(blkCryptoHasCapabilities(target, null)).toBe(true);
    expect(blkCryptoHasCapabilities(null, null)).toBe(true);
    expect(blkCryptoHasCapabilities(null, target)).toBe(false);
  });
});

describe("updating", () => {
  it("[PROF-32] takes over masks, DUN bytes and key types", () => {
    const target = make(512, 512, 8, "raw");
    target.update(make(0, 4096, 4, "hw-wrapped"));
    expect(shown(target)).toEqual([0, 0, 4096, 4, ["hw-wrapped"]]);
  });

  it("[PROF-32] copies: the source changes alone", () => {
    const [target, source] = [make(512, 0, 8, "raw"), make(4096, 0, 8, "raw")];
    target.update(source);
    source.intersect(null);
    expect(shown(target)).toEqual([4096, 0, 0, 8, ["raw"]]);
  });
});

it("a profile asked about the same object again looks at what it says now", () => {
  const layer = new BlockLayer({ executor: new SimExecutor() });
  const options = { modesSupported: { "AES-256-XTS": 4096 }, maxDunBytesSupported: 8, slotCount: 0 } as const;
  const profile = new BlkCryptoProfile(layer, options);
  const config = { modeNum: 1, dataUnitBytes: 4096, dunBytes: 8, keyType: "raw" as const };
  expect(profile.supports(config)).toBe(true);
  config.dataUnitBytes = 512;
  expect(profile.supports(config)).toBe(false);
});

it("[PROF-30] [PROF-32] a profile supports a key until its capabilities say otherwise", () => {
  const layer = new BlockLayer({ executor: new SimExecutor() });
  const profile = new BlkCryptoProfile(layer, {
    modesSupported: { "AES-256-XTS": 4096 },
    maxDunBytesSupported: 8,
    slotCount: 0,
  });
  const bytes = new Uint8Array(64).map((_, index) => index);
  const config = new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: 4096, dunBytes: 8 });
  expect([profile.supports(config), profile.supports(config)]).toEqual([true, true]);
  profile.capabilities.update(make(512, 0, 8, "raw"));
  expect(profile.supports(config)).toBe(false);
  profile.capabilities.update(make(4096, 0, 8, "raw"));
  expect([profile.supports(config), profile.supports(config)]).toEqual([true, true]);
  profile.capabilities.intersect(null);
  expect(profile.supports(config)).toBe(false);
});

it("[PROF-30] [PROF-31] an intersection is what both can do, and no more", () => {
  const mask = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map(Number);
  const types = fc.subarray<CryptoKeyType>(["raw", "hw-wrapped"]);
  const some = fc.tuple(mask, mask, fc.integer({ min: 1, max: 32 }), types);
  fc.assert(
    fc.property(some, some, fc.nat({ max: 31 }), fc.integer({ min: 1, max: 32 }), (first, second, bit, dunBytes) => {
      const [a, b, both] = [first, second, first].map(([xts, adiantum, dun, keyTypes]) =>
        make(xts, adiantum, dun, ...keyTypes),
      );
      both!.intersect(b!);
      expect(a!.includes(both!) && b!.includes(both!)).toBe(true);
      for (const keyType of ["raw", "hw-wrapped"] as const) {
        const config = { modeNum: 1, dataUnitBytes: 2 ** bit, dunBytes, keyType };
        expect(both!.match(config)).toBe(a!.match(config) && b!.match(config));
      }
    }),
    { seed: 30, numRuns: 500 },
  );
});
