import { encryptDataUnits } from "@inlinecrypt/reference-crypto";
import { assertCiphertext, type KernelVector, kernelVectors } from "@inlinecrypt/testing-vectors";
import { describe, expect, test } from "vitest";
import type { Skcipher } from "../../src/index.js";
import { engines, limbs } from "../support.js";

const vectors = kernelVectors({ mode: "AES-256-XTS" });

/** Runs a record; where its DUN rises by more than one, a call for each data unit. */
function crypt(cipher: Skcipher, op: "encrypt" | "decrypt", vector: KernelVector, input: Uint8Array): Uint8Array {
  const output = new Uint8Array(input.length);
  const { dataUnitSize, firstDun, dunStep } = vector;
  const callBytes = dunStep === 1n ? input.length : dataUnitSize;
  for (let at = 0; at < input.length; at += callBytes) {
    const dun = firstDun + BigInt(at / dataUnitSize) * dunStep;
    cipher[op](input.subarray(at, at + callBytes), output.subarray(at, at + callBytes), dataUnitSize, limbs(dun));
  }
  return output;
}

test("there are 107 AES-256-XTS records", () => {
  expect(vectors).toHaveLength(107);
});

describe("the oracle", () => {
  test.each(vectors)("$id", (vector) => {
    const { key, firstDun, dataUnitSize, dunStep } = vector;
    assertCiphertext(vector, encryptDataUnits(key, firstDun, dataUnitSize, vector.plaintext(), dunStep));
  });
});

describe.each(engines)("engine $name", ({ create }) => {
  const cipher = create().alloc("xts(aes)");

  test.each(vectors)("$id", (vector) => {
    const plaintext = vector.plaintext();
    cipher.setKey(vector.key);
    const ciphertext = crypt(cipher, "encrypt", vector, plaintext);
    assertCiphertext(vector, ciphertext);
    expect(Buffer.compare(crypt(cipher, "decrypt", vector, ciphertext), plaintext)).toBe(0);
  });
});
