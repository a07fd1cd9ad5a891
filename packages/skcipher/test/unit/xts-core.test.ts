import { createCipheriv, createDecipheriv } from "node:crypto";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { BlockCipher, BlockTransform } from "../../src/block-cipher.js";
import { CheckedSkcipher } from "../../src/checked-skcipher.js";
import { NodeXtsCore } from "../../src/node/node-xts-core.js";
import { opensslAes256 } from "../../src/node/openssl-ecb.js";
import { nobleAes256 } from "../../src/portable/noble-aes.js";
import { xtsAes } from "../../src/xts.js";
import { XtsCore } from "../../src/xts-core.js";
import { createJsXtsScratch, type XtsScratch } from "../../src/xts-scratch.js";
import { KEY, limbs, noise } from "../support.js";

/** A block cipher that does nothing and tells of each transform whether it was cleared; the nth one may throw. */
function spyCipher(failAt = Number.POSITIVE_INFINITY): { cipher: BlockCipher; cleared: boolean[] } {
  const cleared: boolean[] = [];
  const make = (): BlockTransform => {
    if (cleared.length === failAt) throw new Error("out of memory");
    const index = cleared.push(false) - 1;
    return {
      run: () => undefined,
      clear: () => {
        expect(cleared[index]).toBe(false);
        cleared[index] = true;
      },
    };
  };
  return { cipher: { keyBytes: 32, encryptor: make, decryptor: make }, cleared };
}

function isWiped(scratch: XtsScratch): boolean {
  return scratch.data.every((byte) => byte === 0) && scratch.tweaks.every((byte) => byte === 0);
}

describe("clear()", () => {
  test.each([
    { name: "portable", core: (scratch: XtsScratch) => new XtsCore(nobleAes256, scratch) },
    { name: "node", core: (scratch: XtsScratch) => new NodeXtsCore(scratch) },
  ])("wipes the scratch memory ($name)", ({ core }) => {
    const scratch = createJsXtsScratch();
    const cipher = new CheckedSkcipher(xtsAes({ create: () => core(scratch), computedBy: "" }));
    cipher.setKey(KEY);
    const data = noise(65536);
    cipher.decrypt(data, data, 512, limbs(1n));
    expect(isWiped(scratch)).toBe(false);
    cipher.clear();
    expect(isWiped(scratch)).toBe(true);
  });

  test("clears every transform, once", () => {
    const { cipher, cleared } = spyCipher();
    const core = new XtsCore(cipher, createJsXtsScratch());
    core.clear();
    core.setKey(KEY);
    core.clear();
    core.clear();
    expect(cleared).toEqual([true, true, true]);
  });

  test("happens before the next key is set", () => {
    const { cipher, cleared } = spyCipher();
    const skcipher = new CheckedSkcipher(
      xtsAes({ create: () => new XtsCore(cipher, createJsXtsScratch()), computedBy: "" }),
    );
    skcipher.setKey(KEY);
    skcipher.setKey(KEY);
    expect(cleared).toEqual([true, true, true, false, false, false]);
  });
});

/** Collects what OpenSSL contexts return from now on. */
function collectOpensslResults(): Buffer[] {
  const results: Buffer[] = [];
  for (const make of [createCipheriv, createDecipheriv]) {
    const prototype = Object.getPrototypeOf(make("aes-256-ecb", noise(32), null)) as {
      update: (bytes: Uint8Array) => Buffer;
    };
    const original = prototype.update;
    const spy = vi.spyOn(prototype, "update").mockImplementation(function (this: unknown, bytes) {
      const result = original.call(this, bytes);
      results.push(result);
      return result;
    });
    onTestFinished(() => spy.mockRestore());
  }
  return results;
}

test.each([512, 65536])("nothing of data units of %i bytes stays in what OpenSSL returned", (dataUnitBytes) => {
  const results = collectOpensslResults();
  const cipher = new CheckedSkcipher(xtsAes({ create: () => new NodeXtsCore(createJsXtsScratch()), computedBy: "" }));
  cipher.setKey(KEY);
  const data = noise(65536);
  cipher.encrypt(data, data, dataUnitBytes, limbs(1n));
  cipher.decrypt(data, data, dataUnitBytes, limbs(1n));
  expect(Buffer.compare(data, noise(65536))).toBe(0);
  expect(results.reduce((bytes, result) => bytes + result.length, 0)).toBeGreaterThanOrEqual(2 * 65536);
  expect(results.every((result) => result.every((byte) => byte === 0))).toBe(true);
});

test.each([0, 1, 2])("when making transform %i of a key fails, those made before it are cleared", (failAt) => {
  const { cipher, cleared } = spyCipher(failAt);
  const skcipher = new CheckedSkcipher(
    xtsAes({ create: () => new XtsCore(cipher, createJsXtsScratch()), computedBy: "" }),
  );
  expect(() => skcipher.setKey(KEY)).toThrow("out of memory");
  expect(cleared).toEqual(Array(failAt).fill(true));
  const data = new Uint8Array(512);
  expect(() => skcipher.encrypt(data, data, 512, limbs(0n))).toThrow(/no key set/);
});

describe("transforms", () => {
  test("one of OpenSSL does not work any more once cleared: its context is gone", () => {
    for (const transform of [opensslAes256.encryptor(noise(32)), opensslAes256.decryptor(noise(32))]) {
      transform.run(new Uint8Array(16));
      transform.clear();
      expect(() => transform.run(new Uint8Array(16))).toThrow();
    }
  });

  test("one of noble has no key any more once cleared", () => {
    const image = (transform: BlockTransform): Uint8Array => {
      const block = new Uint8Array(16);
      transform.run(block);
      return block;
    };
    const [one, other] = [nobleAes256.encryptor(noise(32, 3)), nobleAes256.encryptor(noise(32, 5))];
    expect(image(one)).not.toEqual(image(other));
    one.clear();
    other.clear();
    expect(image(one)).toEqual(image(other));
  });
});
