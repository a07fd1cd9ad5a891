import { describe, expect, test } from "vitest";
import { decryptDataUnits, encryptDataUnits, ieee1619Vectors, xtsAesDecrypt, xtsAesEncrypt } from "../src/index.ts";

const key = Uint8Array.from({ length: 64 }, (_, i) => i);
const unit = Uint8Array.from({ length: 512 }, (_, i) => (7 * i) % 251);

describe("IEEE 1619", () => {
  test.each(ieee1619Vectors())("$name, both ways", (vector) => {
    expect(xtsAesEncrypt(vector.key, vector.dun, vector.plaintext)).toEqual(vector.ciphertext);
    expect(xtsAesDecrypt(vector.key, vector.dun, vector.ciphertext)).toEqual(vector.plaintext);
  });
});

test("only the low 128 bits of the DUN make the tweak", () => {
  expect(xtsAesEncrypt(key, 2n ** 128n + 5n, unit)).toEqual(xtsAesEncrypt(key, 5n, unit));
  expect(xtsAesEncrypt(key, 2n ** 127n + 5n, unit)).not.toEqual(xtsAesEncrypt(key, 5n, unit));
});

test("data units are encrypted one by one, the DUN rising by the step", () => {
  const two = new Uint8Array([...unit, ...unit]);
  const ciphertext = encryptDataUnits(key, 10n, 512, two, 8n);
  expect(ciphertext.subarray(0, 512)).toEqual(xtsAesEncrypt(key, 10n, unit));
  expect(ciphertext.subarray(512)).toEqual(xtsAesEncrypt(key, 18n, unit));
  expect(decryptDataUnits(key, 10n, 512, ciphertext, 8n)).toEqual(two);
  expect(encryptDataUnits(key, 10n, 512, two).subarray(512)).toEqual(xtsAesEncrypt(key, 11n, unit));
});

test("inputs stay as they are", () => {
  const before = unit.slice();
  xtsAesEncrypt(key, 0n, unit);
  encryptDataUnits(key, 0n, 512, unit);
  expect(unit).toEqual(before);
});

test("partial blocks and partial data units are refused", () => {
  expect(() => xtsAesEncrypt(key, 0n, unit.subarray(1))).toThrow(/511 bytes are not whole blocks/);
  expect(() => encryptDataUnits(key, 0n, 512, unit.subarray(16))).toThrow(/496 bytes are not whole data units of 512/);
});
