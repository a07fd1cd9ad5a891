import { expect, test } from "vitest";
import { referenceDecrypt, referenceEncrypt } from "../src/index.ts";
import { bytes, counting, littleEndian } from "./support.ts";

/** `crypto/testmgr.h: essiv_aes_cbc_tv_template` of the Linux kernel, those with the key size of AES-128. */
const vectors = [
  {
    key: "06a9214036b8a15b512e03d534120006",
    iv: "3dafba429d9eb4300000000000000000",
    plaintext: new Uint8Array(Buffer.from("Single block msg")),
    ciphertext: "fa59e75f415665c336ca6b72109f8cd4",
  },
  {
    key: "c286696d887c9aa0611bbb3e2025a45a",
    iv: "562e17996d093d280000000000000000",
    plaintext: counting(32),
    ciphertext: "c8599afe79e67b20067d550a5ec7b5a70b9c80d215a1b86dc6ab7b65d9fd88eb",
  },
];

test.each(vectors)("essiv(cbc(aes),sha256) under $key, both ways", ({ key, iv, plaintext, ciphertext }) => {
  const name = "essiv(cbc(aes),sha256)";
  const unitBytes = plaintext.length;
  const encrypted = referenceEncrypt(name, bytes(key), unitBytes, littleEndian(iv), plaintext);
  expect(encrypted).toEqual(bytes(ciphertext));
  expect(referenceDecrypt(name, bytes(key), unitBytes, littleEndian(iv), encrypted)).toEqual(plaintext);
});
