import { describe, expect, test } from "vitest";
import type { BlockCipher, BlockTransform } from "../../src/block-cipher.js";
import { CheckedSkcipher } from "../../src/checked-skcipher.js";
import { NodeXtsCore } from "../../src/node/node-xts-core.js";
import { opensslAes256 } from "../../src/node/openssl-ecb.js";
import { nobleAes256 } from "../../src/portable/noble-aes.js";
import { xtsAes } from "../../src/xts.js";
import { XtsCore } from "../../src/xts-core.js";
import { createJsXtsScratch, type XtsScratch } from "../../src/xts-scratch.js";
import { KEY, limbs, noise } from "../support.js";

/** A block cipher that does nothing and tells of each transform whether it was cleared. */
function spyCipher(): { cipher: BlockCipher; cleared: boolean[] } {
  const cleared: boolean[] = [];
  const make = (): BlockTransform => {
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
