import { expect, test } from "vitest";
import { referenceDecrypt, referenceEncrypt } from "../src/index.ts";
import { Sm4 } from "../src/sm4.ts";
import { bytes, littleEndian } from "./support.ts";

test("GB/T 32907-2016 appendix A, example 1, both ways", () => {
  const key = bytes("0123456789abcdeffedcba9876543210");
  const block = key.slice();
  const sm4 = new Sm4(key);
  sm4.encryptBlock(block);
  expect(block).toEqual(bytes("681edf34d206965e86b3e94f536e4246"));
  sm4.decryptBlock(block);
  expect(block).toEqual(key);
});

test("SM4 in CBC mode, draft-ribose-cfrg-sm4: two blocks chained by hand", () => {
  const sm4 = new Sm4(bytes("0123456789abcdeffedcba9876543210"));
  let previous = bytes("0123456789abcdeffedcba9876543210");
  const ciphertext: string[] = [];
  for (let i = 0; i < 2; i++) {
    const block = bytes("0123456789abcdeffedcba9876543210").map((byte, at) => byte ^ previous[at]!);
    sm4.encryptBlock(block);
    ciphertext.push(Buffer.from(block).toString("hex"));
    previous = block;
  }
  expect(ciphertext).toEqual(["2677f46b09c122cc975533105bd4a22a", "f6125f7275ce552c3a2bbcf533de8a3b"]);
});

/** OpenSSL's vectors of SM4-XTS: the standards agree in the first block and differ from the second on. */
const xts = {
  key: bytes("2b7e151628aed2a6abf7158809cf4f3c000102030405060708090a0b0c0d0e0f"),
  dun: littleEndian("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"),
  plaintext: bytes("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"),
  ieee: bytes("e9538251c71d7b80bbe4483fef497bd1b3db1a3e60408c575d63ff7db39f8326"),
};

test("xts(sm4) is that of IEEE 1619, not that of GB/T 17964", () => {
  const ciphertext = referenceEncrypt("xts(sm4)", xts.key, 32, xts.dun, xts.plaintext);
  expect(ciphertext).toEqual(xts.ieee);
  expect(referenceDecrypt("xts(sm4)", xts.key, 32, xts.dun, ciphertext)).toEqual(xts.plaintext);
});

test("other key lengths are refused", () => {
  expect(() => new Sm4(new Uint8Array(32))).toThrow(/16 bytes, not 32/);
});
