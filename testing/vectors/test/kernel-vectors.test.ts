import { describe, expect, test } from "vitest";
import { assertCiphertext, type KernelVector, kernelVectors, sha256Hex } from "../src/index.ts";

const vectors = kernelVectors();

function byId(id: string): KernelVector {
  const vector = vectors.find((candidate) => candidate.id === id);
  if (vector === undefined) throw new Error(`no record ${id}`);
  return vector;
}

/** The ciphertext of a record that holds it whole. */
function wholeCiphertext(vector: KernelVector): Uint8Array {
  return new Uint8Array(Buffer.from(vector.record.ciphertextHex ?? "", "hex"));
}

test("there are 176 records, with ids of their own", () => {
  expect(vectors).toHaveLength(176);
  expect(new Set(vectors.map((vector) => vector.id)).size).toBe(176);
});

test("a mode filter selects the records of that mode", () => {
  const counts = (["AES-256-XTS", "AES-128-CBC-ESSIV", "Adiantum", "SM4-XTS"] as const).map(
    (mode) => kernelVectors({ mode }).length,
  );
  expect(counts).toEqual([107, 23, 28, 18]);
});

test.each(vectors)("$id: the plaintext has the recorded length and hash", (vector) => {
  const plaintext = vector.plaintext();
  expect(plaintext).toHaveLength(vector.dataUnitSize * vector.dataUnits);
  expect(sha256Hex(plaintext)).toBe(vector.record.plaintextSha256);
});

test.each(vectors.filter((vector) => vector.record.ciphertextHex !== undefined))(
  "$id: the recorded ciphertext agrees with its hash",
  (vector) => assertCiphertext(vector, wholeCiphertext(vector)),
);

test("DUNs beyond 64 bits and steps other than 1 survive", () => {
  expect(vectors.some((vector) => vector.firstDun > 2n ** 64n)).toBe(true);
  expect(vectors.filter((vector) => vector.dunStep === 8n)).toHaveLength(4);
});

test("plaintext() gives a new array each time", () => {
  const vector = byId("dmcrypt-xts-512-dun0");
  vector.plaintext().fill(0);
  expect(sha256Hex(vector.plaintext())).toBe(vector.record.plaintextSha256);
});

describe("assertCiphertext", () => {
  const whole = byId("dmcrypt-xts-512-dun0");
  const sampled = byId("a4k-perfile-multi-lblk0");

  test("refuses a wrong length, naming the record", () => {
    expect(() => assertCiphertext(whole, wholeCiphertext(whole).subarray(1))).toThrow(/dmcrypt-xts-512-dun0: length/);
  });

  test("refuses one flipped bit", () => {
    const ciphertext = wholeCiphertext(whole);
    ciphertext[1023]! ^= 1;
    expect(() => assertCiphertext(whole, ciphertext)).toThrow(/ciphertextHex/);
  });

  test("checks the samples and the hash of a record that has no whole ciphertext", () => {
    const ciphertext = new Uint8Array(sampled.dataUnitSize * sampled.dataUnits);
    expect(() => assertCiphertext(sampled, ciphertext)).toThrow(/ciphertextFirst64Hex/);
    ciphertext.set(Buffer.from(sampled.record.ciphertextFirst64Hex ?? "", "hex"));
    expect(() => assertCiphertext(sampled, ciphertext)).toThrow(/unitFirst16Hex\[1\]/);
    for (const [unit, first16] of (sampled.record.unitFirst16Hex ?? []).entries()) {
      ciphertext.set(Buffer.from(first16, "hex"), unit * sampled.dataUnitSize);
    }
    expect(() => assertCiphertext(sampled, ciphertext)).toThrow(/ciphertextSha256/);
  });
});
