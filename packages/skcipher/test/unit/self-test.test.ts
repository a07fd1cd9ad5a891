import { describe, expect, test } from "vitest";
import type { BlockCipher } from "../../src/block-cipher.js";
import { OpensslXtsCore } from "../../src/node/openssl-xts-core.js";
import { nobleAes256 } from "../../src/portable/noble-aes.js";
import type { CipherCore, SkcipherAlg } from "../../src/skcipher-alg.js";
import { TableEngine } from "../../src/table-engine.js";
import { xtsAes } from "../../src/xts.js";
import { XtsCore } from "../../src/xts-core.js";
import { createJsXtsScratch } from "../../src/xts-scratch.js";

const goodCore = (): CipherCore => new XtsCore(nobleAes256, createJsXtsScratch());

/** A good core, but for some methods. */
function broken(parts: (good: CipherCore) => Partial<CipherCore>): () => CipherCore {
  return () => {
    const good = goodCore();
    return {
      setKey: (key) => good.setKey(key),
      encrypt: (...request) => good.encrypt(...request),
      decrypt: (...request) => good.decrypt(...request),
      clear: () => good.clear(),
      ...parts(good),
    };
  };
}

/** AES whose encryption flips one bit. */
const wrongBlock: BlockCipher = {
  ...nobleAes256,
  encryptor: (key) => {
    const transform = nobleAes256.encryptor(key);
    return {
      run: (blocks) => {
        transform.run(blocks);
        blocks[blocks.length - 1]! ^= 1;
      },
      clear: () => transform.clear(),
    };
  },
};

const failures: { what: string; create: () => CipherCore; reason: RegExp }[] = [
  {
    what: "a broken AES block",
    create: () => new XtsCore(wrongBlock, createJsXtsScratch()),
    reason: /wrong answer to IEEE Std 1619-2007, annex B, vector 10, data units of 512 bytes/,
  },
  {
    what: "encryption that does nothing",
    create: broken(() => ({ encrypt: () => undefined })),
    reason: /data units of 512 bytes/,
  },
  {
    what: "decryption that does nothing",
    create: broken(() => ({ decrypt: () => undefined })),
    reason: /data units of 512 bytes/,
  },
  {
    what: "a DUN that does not rise",
    create: broken((good) => ({
      encrypt: (src, dst, unit, dun) => {
        for (let at = 0; at < src.length; at += unit) {
          good.encrypt(src.subarray(at, at + unit), dst.subarray(at, at + unit), unit, dun);
        }
      },
    })),
    reason: /data units of 512 bytes/,
  },
  {
    what: "large data units gone wrong",
    create: broken((good) => ({
      encrypt: (src, dst, unit, dun) => good.encrypt(src, dst, Math.min(unit, 4096), dun),
    })),
    reason: /data units of 65536 bytes/,
  },
  {
    what: "a runtime without the cipher",
    create: broken(() => ({
      setKey: () => {
        throw new Error("Unknown cipher");
      },
    })),
    reason: /failed: Unknown cipher/,
  },
];

test.each([
  { name: "blocks in batches", create: goodCore },
  { name: "a context for each data unit", create: () => new OpensslXtsCore() },
])("$name pass", ({ create }) => {
  expect(new TableEngine("good", "", [xtsAes({ create, computedBy: "" })]).alloc("xts(aes)").name).toBe("xts(aes)");
});

describe.each(failures)("$what", ({ create, reason }) => {
  test("is found before a cipher is handed out, each time", () => {
    const engine = new TableEngine("broken", "nothing", [xtsAes({ create, computedBy: "" })]);
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(() => engine.alloc("xts(aes)")).toThrow(
        expect.objectContaining({ code: "ELIBBAD", errno: -80, op: "alloc", message: expect.stringMatching(reason) }),
      );
    }
  });

  test("is told by describe()", () => {
    const engine = new TableEngine("broken", "nothing", [xtsAes({ create, computedBy: "" })]);
    expect(engine.describe()).toEqual({
      name: "broken",
      available: false,
      ciphers: [],
      algorithms: [{ cipher: "xts(aes)", available: false, computedBy: "", reason: expect.stringMatching(reason) }],
      detail: "nothing",
      reason: expect.stringMatching(reason),
    });
  });
});

test("what was thrown is the cause of the refusal", () => {
  const cause = new Error("Unknown cipher");
  const create = broken(() => ({
    setKey: () => {
      throw cause;
    },
  }));
  const engine = new TableEngine("broken", "", [xtsAes({ create, computedBy: "" })]);
  expect(() => engine.alloc("xts(aes)")).toThrow(expect.objectContaining({ cause }));
});

test("a cipher that nothing is known of is refused", () => {
  const unknown: SkcipherAlg = { ...xtsAes({ create: goodCore, computedBy: "" }), name: "xts(unknown)" };
  const engine = new TableEngine("mixed", "", [unknown, xtsAes({ create: goodCore, computedBy: "" })]);
  expect(() => engine.alloc("xts(unknown)")).toThrow(/no known answer/);
  expect(engine.describe()).toMatchObject({ available: true, ciphers: ["xts(aes)"] });
  expect(engine.describe().reason).toMatch(/xts\(unknown\)/);
});

test("each engine tests a cipher once, and leaves no key in it", () => {
  const log: string[] = [];
  const create = broken((good) => ({
    setKey: (key) => {
      log.push("setKey");
      good.setKey(key);
    },
    clear: () => {
      log.push("clear");
      good.clear();
    },
  }));
  const engine = new TableEngine("counted", "", [xtsAes({ create, computedBy: "" })]);
  engine.alloc("xts(aes)");
  engine.alloc("xts(aes)");
  engine.describe();
  // CheckedSkcipher clears before it sets a key; the last one is the self-test's own.
  expect(log).toEqual(["clear", "setKey", "clear"]);
});
