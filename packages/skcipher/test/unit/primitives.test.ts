import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { expect, test } from "vitest";
import { sm4 } from "../../src/portable/sm4.js";
import { sha256 } from "../../src/sha256.js";
import { noise } from "../support.js";

test.each([0, 1, 16, 32, 55, 56, 63, 64, 65, 119, 120, 4096])("SHA-256 of %i bytes", (bytes) => {
  const message = noise(bytes);
  expect(Buffer.from(sha256(message))).toEqual(createHash("sha256").update(message).digest());
});

test("SM4 by GB/T 32907, example 1, both ways", () => {
  const key = Buffer.from("0123456789abcdeffedcba9876543210", "hex");
  const block = Uint8Array.from(key);
  sm4.encryptor(key).run(block);
  expect(Buffer.from(block).toString("hex")).toBe("681edf34d206965e86b3e94f536e4246");
  sm4.decryptor(key).run(block);
  expect(Buffer.from(block)).toEqual(key);
});

test("SM4 of any blocks is OpenSSL's, at any address", () => {
  for (let salt = 1; salt < 20; salt++) {
    const key = noise(16, salt);
    const blocks = noise(160 + 3, salt + 1).subarray(3);
    const expected = createCipheriv("sm4-ecb", key, null).setAutoPadding(false).update(blocks);
    sm4.encryptor(key).run(blocks);
    expect(Buffer.compare(blocks, expected)).toBe(0);
    const back = createDecipheriv("sm4-ecb", key, null).setAutoPadding(false).update(blocks);
    sm4.decryptor(key).run(blocks);
    expect(Buffer.compare(blocks, back)).toBe(0);
  }
});

test("SM4 has no key any more once cleared", () => {
  const [one, other] = [sm4.encryptor(noise(16, 3)), sm4.encryptor(noise(16, 5))];
  one.clear();
  other.clear();
  const [a, b] = [new Uint8Array(16), new Uint8Array(16)];
  one.run(a);
  other.run(b);
  expect(a).toEqual(b);
});
