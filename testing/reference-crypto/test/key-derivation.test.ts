import { describe, expect, test } from "vitest";
import { hkdf } from "../src/hkdf.ts";
import { counterMode } from "../src/hw-kdf.ts";
import { aesCmac, type FscryptFile, fscryptDun, fscryptKeyIdentifier, hwKdf } from "../src/index.ts";
import { sipHash24 } from "../src/siphash.ts";
import { bytes, counting } from "./support.ts";

describe("AES-CMAC", () => {
  const message = bytes(`
    6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51
    30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710`);
  const rfc4493 = "2b7e151628aed2a6abf7158809cf4f3c";
  const sp80038b = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";

  test.each([
    ["RFC 4493", rfc4493, 0, "bb1d6929e95937287fa37d129b756746"],
    ["RFC 4493", rfc4493, 16, "070a16b46b4d4144f79bdd9dd04a287c"],
    ["RFC 4493", rfc4493, 40, "dfa66747de9ae63030ca32611497c827"],
    ["RFC 4493", rfc4493, 64, "51f0bebf7e3b9d92fc49741779363cfe"],
    ["SP 800-38B", sp80038b, 0, "028962f61b7bf89efc6b551f4667d983"],
    ["SP 800-38B", sp80038b, 16, "28a7023f452e8f82bd4bf28d8c37c35c"],
    ["SP 800-38B", sp80038b, 40, "aaf3d8f1de5640c232f5b169b9c911e6"],
    ["SP 800-38B", sp80038b, 64, "e1992190549f6ed5696a2c056c315410"],
  ])("%s, key %s, %i bytes", (_, key, length, mac) => {
    expect(aesCmac(bytes(key), message.subarray(0, length))).toEqual(bytes(mac));
  });
});

describe("the counter mode of SP 800-108, NIST's CAVP vectors with a counter of 32 bits before the fixed input", () => {
  test("AES-256, one block", () => {
    const rootKey = bytes("d0b1b3b70b2393c48ca05159e7e28cbeadea93f28a7cdae964e5136070c45d5c");
    const fixedInput = bytes(`
      dd2f151a3f173492a6fbbb602189d51ddf8ef79fc8e96b8fcbe6dabe73a35b48
      104f9dff2d63d48786d2b3af177091d646a9efae005bdfacb61a1214`);
    expect(counterMode(rootKey, fixedInput, 16)).toEqual(bytes("8c449fb474d1c1d4d2a33827103b656a"));
  });

  test("AES-128, two blocks: the counter rises", () => {
    const rootKey = bytes("695f1b1a16c949cea51cdf2554ec9d42");
    const fixedInput = bytes(`
      4fce5942832a390aa1cbe8a0bf9d202cb799e986c9d6b51f45e4d597a6b57f06
      a4ebfec6467335d116b7f5f9c5b954062f661820f5db2a5bbb3e0625`);
    expect(counterMode(rootKey, fixedInput, 32)).toEqual(
      bytes("d34b601ec18c34dfa0f9e0b7523e218bdddb9befe8d08b6c0202d75ace0dba89"),
    );
  });
});

describe("the hardware's key derivation", () => {
  const rootKey = counting(32);

  test("its outputs are those of the counter mode over the bytes the field's tests use", () => {
    const label = "0000400000000000000020 00";
    const inlineKey = `${label} 696e6c696e6520656e6372797074696f6e206b6579 000000000000 0243008250 00000000 00000200`;
    const swSecret = `${label} 72617720736563726574 000000000000000000 0217008050 00000000 00000100`;
    expect(hwKdf.inlineEncryptionKey(rootKey)).toEqual(counterMode(rootKey, bytes(inlineKey), 64));
    expect(hwKdf.swSecret(rootKey)).toEqual(counterMode(rootKey, bytes(swSecret), 32));
  });

  test("its outputs have nothing in common", () => {
    const secret = Buffer.from(hwKdf.swSecret(rootKey));
    expect(Buffer.from(hwKdf.inlineEncryptionKey(rootKey)).includes(secret.subarray(0, 8))).toBe(false);
  });
});

describe("HKDF, RFC 5869", () => {
  const inputKey = new Uint8Array(22).fill(0x0b);

  test("A.1, with salt and info", () => {
    expect(hkdf("sha256", inputKey, counting(13), counting(10, 0xf0), 42)).toEqual(
      bytes("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    );
  });

  test("A.3, without", () => {
    expect(hkdf("sha256", inputKey, new Uint8Array(0), new Uint8Array(0), 42)).toEqual(
      bytes("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    );
  });
});

/** The reference implementation's vectors: the key counts up from 0, and so does the message. */
test.each([
  [0, 0x726fdb47dd0e0e31n],
  [1, 0x74f839c593dc67fdn],
  [7, 0xab0200f58b01d137n],
  [8, 0x93f5f5799a932462n],
  [15, 0xa129ca6149be45e5n],
])("SipHash-2-4 of %i bytes", (length, hash) => {
  expect(sipHash24(counting(16), counting(length))).toBe(hash);
});

describe("fscrypt", () => {
  test("the identifier of a master key, as Linux 6.18 computed it", () => {
    expect(fscryptKeyIdentifier(counting(32))).toEqual(bytes("37d7d76a59400083289c185526730d34"));
  });

  test("each policy has its own DUNs", () => {
    const file = { masterKey: counting(32), contentsMode: 1, nonce: counting(16), uuid: "", inodeNumber: 5 } as const;
    const dun = (policy: FscryptFile["policy"], index: bigint): bigint => fscryptDun({ ...file, policy }, index);
    expect(dun("v2-per-file", 7n)).toBe(7n);
    expect(dun("v2-DIRECT_KEY", 7n)).toBe((0x0f0e0d0c0b0a09080706050403020100n << 64n) + 7n);
    expect(dun("v2-IV_INO_LBLK_64", 7n)).toBe((5n << 32n) + 7n);
    const first = dun("v2-IV_INO_LBLK_32", 0n);
    expect(dun("v2-IV_INO_LBLK_32", 2n ** 32n - first)).toBe(0n);
  });
});
