import { describe, expect, test } from "vitest";
import { ieee1619Vectors, referenceDecrypt, referenceEncrypt } from "../src/index.ts";

const key = Uint8Array.from({ length: 64 }, (_, i) => i);
const unit = Uint8Array.from({ length: 512 }, (_, i) => (7 * i) % 251);

function encryptUnit(dun: bigint, plaintext = unit): Uint8Array {
  return referenceEncrypt("xts(aes)", key, plaintext.length, dun, plaintext);
}

describe("IEEE 1619", () => {
  test.each(ieee1619Vectors())("$name, both ways", (vector) => {
    expect(referenceEncrypt("xts(aes)", vector.key, vector.plaintext.length, vector.dun, vector.plaintext)).toEqual(
      vector.ciphertext,
    );
    expect(referenceDecrypt("xts(aes)", vector.key, vector.ciphertext.length, vector.dun, vector.ciphertext)).toEqual(
      vector.plaintext,
    );
  });
});

test("only the low 128 bits of the DUN make the tweak", () => {
  expect(encryptUnit(2n ** 128n + 5n)).toEqual(encryptUnit(5n));
  expect(encryptUnit(2n ** 127n + 5n)).not.toEqual(encryptUnit(5n));
});

test("data units are encrypted one by one, the DUN rising by the step", () => {
  const two = new Uint8Array([...unit, ...unit]);
  const ciphertext = referenceEncrypt("xts(aes)", key, 512, 10n, two, 8n);
  expect(ciphertext.subarray(0, 512)).toEqual(encryptUnit(10n));
  expect(ciphertext.subarray(512)).toEqual(encryptUnit(18n));
  expect(referenceDecrypt("xts(aes)", key, 512, 10n, ciphertext, 8n)).toEqual(two);
  expect(referenceEncrypt("xts(aes)", key, 512, 10n, two).subarray(512)).toEqual(encryptUnit(11n));
});

test("inputs stay as they are", () => {
  const before = unit.slice();
  encryptUnit(0n);
  referenceEncrypt("xts(aes)", key, 512, 0n, unit);
  expect(unit).toEqual(before);
});

test("partial blocks and partial data units are refused", () => {
  expect(() => encryptUnit(0n, unit.subarray(1))).toThrow(/511 bytes are not whole blocks/);
  expect(() => referenceEncrypt("xts(aes)", key, 512, 0n, unit.subarray(16))).toThrow(
    /496 bytes are not whole data units of 512/,
  );
});
