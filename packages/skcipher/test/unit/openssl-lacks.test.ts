import { afterEach, expect, test, vi } from "vitest";
import { createNodeEngine } from "../../src/node/index.js";
import { opensslLacks } from "../../src/node/openssl-lacks.js";
import { ciphers, limbs, noise } from "../support.js";

/** OpenSSL's names of ciphers that it shall lack. */
const missing: Set<string> = vi.hoisted(() => new Set());

vi.mock("node:crypto", async (importOriginal) => {
  const original = await importOriginal<typeof import("node:crypto")>();
  const unless = (make: (...args: never[]) => object) => {
    return (...args: never[]): object => {
      if (missing.has(args[0]!)) throw new Error("Unknown cipher");
      return make(...args);
    };
  };
  return {
    ...original,
    createCipheriv: unless(original.createCipheriv),
    createDecipheriv: unless(original.createDecipheriv),
  };
});

afterEach(() => missing.clear());

const opensslNames = ["aes-128-cbc", "aes-128-ecb", "aes-256-ecb", "aes-256-xts", "sm4-ecb"] as const;

test.each(opensslNames)("the OpenSSL of this node has %s", (name) => {
  expect(opensslLacks(name)).toBeUndefined();
});

test.each(opensslNames)("a missing %s is found, with OpenSSL's own words", (name) => {
  missing.add(name);
  expect(opensslLacks(name)).toBe(`OpenSSL ${process.versions.openssl} has no ${name} (Unknown cipher)`);
});

test("nothing is missing: OpenSSL computes all ciphers, and describe() gives no reason", () => {
  for (const { computedBy, reason } of createNodeEngine().describe().algorithms) {
    expect(computedBy).toMatch(/^OpenSSL [0-9.]+/);
    expect(reason).toBeUndefined();
  }
});

test.each([
  { lacking: "sm4-ecb", inJavaScript: ["xts(sm4)"] },
  { lacking: "aes-256-xts", inJavaScript: ["xts(aes)"] },
  { lacking: "aes-128-cbc", inJavaScript: ["essiv(cbc(aes),sha256)"] },
  { lacking: "aes-256-ecb", inJavaScript: ["xts(aes)", "essiv(cbc(aes),sha256)", "adiantum(xchacha12,aes)"] },
])(
  "without $lacking, the ciphers that need it are computed in JavaScript, and no other",
  ({ lacking, inJavaScript }) => {
    const expected = ciphers.map(({ name, keyBytes }) => {
      const cipher = createNodeEngine().alloc(name);
      cipher.setKey(noise(keyBytes));
      const data = noise(8192);
      cipher.encrypt(data, data, 4096, limbs(1n));
      return data;
    });
    missing.add(lacking);
    const engine = createNodeEngine();
    const status = engine.describe();
    expect(status).toMatchObject({ available: true, ciphers: ciphers.map(({ name }) => name) });
    for (const { cipher, available, computedBy, reason } of status.algorithms) {
      const fallsBack = inJavaScript.includes(cipher);
      expect(available).toBe(true);
      expect(computedBy).toMatch(fallsBack ? /^JavaScript/ : /^OpenSSL/);
      expect(reason ?? "none").toMatch(fallsBack ? new RegExp(`has no ${lacking} \\(Unknown cipher\\)`) : /^none$/);
    }
    ciphers.forEach(({ name, keyBytes }, i) => {
      const cipher = engine.alloc(name);
      cipher.setKey(noise(keyBytes));
      const data = noise(8192);
      cipher.encrypt(data, data, 4096, limbs(1n));
      expect(Buffer.compare(data, expected[i]!)).toBe(0);
    });
  },
);
