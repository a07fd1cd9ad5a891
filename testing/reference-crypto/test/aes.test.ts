import { expect, test } from "vitest";
import { Aes } from "../src/aes.ts";

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

/** FIPS-197 appendix C, and SP 800-38A F.1.5, whose key exercises the schedule with other bytes. */
const vectors = [
  {
    name: "FIPS-197 C.1 AES-128",
    key: "000102030405060708090a0b0c0d0e0f",
    plaintext: "00112233445566778899aabbccddeeff",
    ciphertext: "69c4e0d86a7b0430d8cdb78070b4c55a",
  },
  {
    name: "FIPS-197 C.2 AES-192",
    key: "000102030405060708090a0b0c0d0e0f1011121314151617",
    plaintext: "00112233445566778899aabbccddeeff",
    ciphertext: "dda97ca4864cdfe06eaf70a0ec0d7191",
  },
  {
    name: "FIPS-197 C.3 AES-256",
    key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    plaintext: "00112233445566778899aabbccddeeff",
    ciphertext: "8ea2b7ca516745bfeafc49904b496089",
  },
  {
    name: "SP 800-38A F.1.5 AES-256, block 1",
    key: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
    plaintext: "6bc1bee22e409f96e93d7e117393172a",
    ciphertext: "f3eed1bdb5d2a03c064b5a7e3db181f8",
  },
];

test.each(vectors)("$name, both ways", (vector) => {
  const aes = new Aes(bytes(vector.key));
  const block = bytes(vector.plaintext);
  aes.encryptBlock(block);
  expect(block).toEqual(bytes(vector.ciphertext));
  aes.decryptBlock(block);
  expect(block).toEqual(bytes(vector.plaintext));
});

test("other key lengths are refused", () => {
  expect(() => new Aes(new Uint8Array(31))).toThrow(/16, 24 or 32 bytes, not 31/);
});
