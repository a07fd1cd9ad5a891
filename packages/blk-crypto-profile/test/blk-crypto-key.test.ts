import { inspect } from "node:util";
import { CryptoCfgFlag } from "@inlinecrypt/blk-core";
import { assertUsableKey, type BlkCryptoKey, type BlkCryptoKeyOptions } from "@inlinecrypt/blk-crypto-profile";
import { describe, expect, it } from "vitest";
import { makeKey } from "./support.ts";

const bytesOf = (key: BlkCryptoKey): number[] => key.withBytes((bytes) => [...bytes]);
const distinct = (length: number): Uint8Array => new Uint8Array(length).map((_, index) => 0xa0 + index);

describe("BlkCryptoKey", () => {
  it("[API-1] carries mode, data unit, DUN bytes, type and length", () => {
    expect(makeKey()).toMatchObject({
      modeNum: 1,
      mode: { name: "AES-256-XTS" },
      dataUnitBytes: 4096,
      dataUnitBits: 12,
      dunBytes: 8,
      keyType: "raw",
      keyBytes: 64,
    });
  });

  it("[API-3] copies the caller's bytes", () => {
    for (const bytes of [distinct(64), Buffer.from(distinct(64))]) {
      const key = makeKey(1, { bytes });
      bytes.fill(0);
      expect(bytesOf(key)).toEqual([...distinct(64)]);
    }
  });

  const refused: [string, Partial<BlkCryptoKeyOptions>, RegExp][] = [
    ["an unknown mode", { mode: "AES-256-CBC" as never }, /expected AES-256-XTS/],
    ["mode 0", { mode: { num: 0 } as never }, /mode number 0/],
    ["mode 5", { mode: { num: 5 } as never }, /mode number 5/],
    ["a short raw key", { bytes: distinct(32) }, /64 bytes, got 32/],
    ["a long raw key", { bytes: distinct(65) }, /64 bytes, got 65/],
    ["a wrapped key below the strength", { keyType: "hw-wrapped", bytes: distinct(31) }, /32 to 128 bytes, got 31/],
    ["a wrapped key above 128 bytes", { keyType: "hw-wrapped", bytes: distinct(129) }, /32 to 128 bytes, got 129/],
    ["an unknown key type", { keyType: "standard" as never }, /keyType is "standard"/],
    ["no DUN bytes", { dunBytes: 0 }, /dunBytes is 0, expected 1 to 16/],
    ["more DUN bytes than the IV has", { dunBytes: 17 }, /dunBytes is 17, expected 1 to 16/],
    ["half a DUN byte", { dunBytes: 1.5 }, /dunBytes is 1.5/],
    ["a data unit of 0", { dataUnitBytes: 0 }, /dataUnitBytes is 0/],
    ["a data unit that is no power of two", { dataUnitBytes: 4095 }, /dataUnitBytes is 4095/],
    ["a negative data unit", { dataUnitBytes: -512 }, /dataUnitBytes is -512/],
    ["a data unit beyond 32 bits", { dataUnitBytes: 2 ** 32 }, /dataUnitBytes is 4294967296, .* at most 2147483648/],
  ];
  it.each(refused)("[API-4] refuses %s", (_what, options, message) => {
    expect(() => makeKey(1, options)).toThrow(
      expect.objectContaining({ code: "EINVAL", message: expect.stringMatching(message) }),
    );
  });

  it("[API-4] accepts wrapped keys from the mode's strength to 128 bytes, and a DUN as long as the IV", () => {
    for (const length of [32, 128]) {
      expect(makeKey(1, { keyType: "hw-wrapped", bytes: distinct(length) }).keyBytes).toBe(length);
    }
    expect(makeKey(1, { mode: "Adiantum", bytes: distinct(32), dunBytes: 32 }).dunBytes).toBe(32);
  });

  it("[API-19] takes flags: hardware is allowed unless told otherwise, and wrapped keys need it", () => {
    expect([
      makeKey().flags,
      makeKey(1, { flags: CryptoCfgFlag.ALLOW_HW }).flags,
      makeKey(1, { flags: 0 }).flags,
    ]).toEqual([1, 1, 0]);
    const wrapped = { keyType: "hw-wrapped" as const };
    expect(makeKey(1, { ...wrapped, flags: CryptoCfgFlag.ALLOW_HW }).flags).toBe(1);
    expect(() => makeKey(1, { ...wrapped, flags: 0 })).toThrow(
      expect.objectContaining({ code: "EINVAL", message: expect.stringContaining("ALLOW_HW") }),
    );
  });

  it.each([2, 3, -1, 2 ** 31, 2 ** 32, 0.5, Number.NaN])("[API-19] refuses unknown flags %d", (flags) => {
    expect(() => makeKey(1, { flags })).toThrow(
      expect.objectContaining({ code: "EINVAL", message: expect.stringContaining(`flags are ${flags}`) }),
    );
  });

  it("[API-5] sets no bounds on a power-of-two data unit", () => {
    for (let bits = 0; bits <= 31; bits++) {
      expect(makeKey(1, { dataUnitBytes: 2 ** bits }).dataUnitBits).toBe(bits);
    }
  });

  it("shows its bytes nowhere", () => {
    const key = makeKey(1, { bytes: new Uint8Array(64).map((_, index) => (index < 32 ? 0xde : 0xad)) });
    const shown = [inspect(key, { showHidden: true, depth: 9 }), JSON.stringify(key), String(key)].join();
    expect(shown).toContain("AES-256-XTS");
    expect(shown).not.toMatch(/222|173|dead|dede|adad/i);
  });

  it("zeroes its bytes when wiped, at the end of a scope too, and lends them no more", () => {
    const key = makeKey();
    let lent = new Uint8Array();
    key.withBytes((bytes) => {
      lent = bytes as Uint8Array<ArrayBuffer>;
    });
    {
      using scoped = key;
      expect(scoped.keyBytes).toBe(64);
    }
    expect(lent).toEqual(new Uint8Array(64));
    expect(() => key.withBytes(() => 0)).toThrow(expect.objectContaining({ code: "ENOKEY" }));
    key.wipe();
  });
});

describe("assertUsableKey", () => {
  const equalHalves = { bytes: new Uint8Array(64).fill(7) };

  it("[FB-24] init accepts equal XTS halves, this refuses them", () => {
    const key = makeKey(1, equalHalves);
    expect(() => assertUsableKey(key)).toThrow(
      expect.objectContaining({ code: "EINVAL", message: expect.stringContaining("must differ") }),
    );
    expect(() => assertUsableKey(makeKey(1, { mode: "SM4-XTS", bytes: new Uint8Array(32) }))).toThrow(
      /halves of an SM4-XTS key/,
    );
  });

  it("accepts every other key", () => {
    assertUsableKey(makeKey());
    for (const index of [0, 17, 63]) {
      const oneByteDiffers = new Uint8Array(64).fill(7);
      oneByteDiffers[index] = 8;
      assertUsableKey(makeKey(1, { bytes: oneByteDiffers }));
    }
    assertUsableKey(makeKey(1, { ...equalHalves, keyType: "hw-wrapped" }));
    assertUsableKey(makeKey(1, { mode: "Adiantum", bytes: new Uint8Array(32) }));
  });
});
