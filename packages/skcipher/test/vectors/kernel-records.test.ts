import { assertCiphertext, type KernelVector, kernelVectors } from "@inlinecrypt/testing-vectors";
import { describe, expect, test } from "vitest";
import type { Skcipher } from "../../src/index.js";
import { ciphers, engines, limbs } from "../support.js";

const vectors = kernelVectors();

const namesOfModes = new Map(ciphers.map(({ mode, name }) => [mode, name]));

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

test("there are 176 records, in four modes", () => {
  expect(vectors).toHaveLength(176);
  expect(new Set(vectors.map(({ mode }) => mode))).toEqual(new Set(namesOfModes.keys()));
});

describe.each(engines)("engine $name", ({ create }) => {
  const engine = create();

  test.each(vectors)("[FB-21] $id", (vector) => {
    const cipher = engine.alloc(namesOfModes.get(vector.mode)!);
    const plaintext = vector.plaintext();
    cipher.setKey(vector.key);
    const ciphertext = crypt(cipher, "encrypt", vector, plaintext);
    assertCiphertext(vector, ciphertext);
    expect(Buffer.compare(crypt(cipher, "decrypt", vector, ciphertext), plaintext)).toBe(0);
    cipher.clear();
  });
});
