import {
  type FscryptFile,
  fscryptContentsKey,
  fscryptDun,
  referenceDecrypt,
  referenceEncrypt,
} from "@inlinecrypt/reference-crypto";
import { assertCiphertext, kernelVectors } from "@inlinecrypt/testing-vectors";
import { describe, expect, it } from "vitest";
import { cipherNames } from "./support/modes.js";

/** The oracle tells everything else wrong; the kernel's records tell whether the oracle is right. */
describe("the oracle reproduces what the kernel wrote, both ways", () => {
  it.each(kernelVectors())("[INT-1] $id", (vector) => {
    const { key, dataUnitSize, firstDun, dunStep } = vector;
    const cipherName = cipherNames[vector.mode];
    const plaintext = vector.plaintext();
    const ciphertext = referenceEncrypt(cipherName, key, dataUnitSize, firstDun, plaintext, dunStep);
    assertCiphertext(vector, ciphertext);
    // The oracle is slow: of long records, the start.
    const few = ciphertext.subarray(0, 8 * dataUnitSize);
    const decrypted = referenceDecrypt(cipherName, key, dataUnitSize, firstDun, few, dunStep);
    expect(Buffer.compare(decrypted, plaintext.subarray(0, few.length))).toBe(0);
  });
});

describe("the oracle derives the keys and DUNs that the kernel used", () => {
  const vectors = kernelVectors().filter(({ record }) => record.layer === "fs");

  it("for every file system record", () => expect(vectors).toHaveLength(104));

  it.each(vectors)("$id: $record.policy", ({ key, firstDun, dataUnitSize, record }) => {
    const file: FscryptFile = {
      policy: record.policy!,
      masterKey: Buffer.from(record.masterKeyHex!, "hex"),
      contentsMode: record.contentsMode!,
      nonce: Buffer.from(record.nonceHex!, "hex"),
      uuid: record.uuid!,
      inodeNumber: record.ino!,
    };
    expect(Buffer.compare(fscryptContentsKey(file), key)).toBe(0);
    const index = BigInt((record.firstLogicalBlock! * record.fsBlockSize!) / dataUnitSize);
    expect(fscryptDun(file, index)).toBe(firstDun);
  });
});
