import { expect, test } from "vitest";
import { Adiantum } from "../src/adiantum.ts";
import { referenceDecrypt, referenceEncrypt } from "../src/index.ts";
import { nh } from "../src/nh.ts";
import { poly1305 } from "../src/poly1305.ts";
import { xChaChaStream } from "../src/xchacha.ts";
import { bytes, counting, littleEndian } from "./support.ts";

test("XChaCha20, draft-irtf-cfrg-xchacha-03 A.3.2", () => {
  const plaintext = Buffer.from('The dhole (pronounced "dole") is also known as t');
  const nonce = bytes("404142434445464748494a4b4c4d4e4f5051525354555658");
  const stream = xChaChaStream(counting(32, 0x80), nonce, plaintext.length, 20);
  expect(stream.map((byte, i) => byte ^ plaintext[i]!)).toEqual(
    bytes("4559abba4e48c16102e8bb2c05e6947f50a786de162f9b0b7e592a9b53d0d4e98d8d6410d540a1a6375b26d80dace4fa"),
  );
});

test("Poly1305, RFC 8439 section 2.5.2: s is all that is missing", () => {
  const message = Buffer.from("Cryptographic Forum Research Group");
  const s = littleEndian("0103808afb0db2fd4abff6af4149f51b");
  const tag = (poly1305(bytes("85d6be7857556d337f4452fe42d506a8"), message) + s) % 2n ** 128n;
  expect(tag).toBe(littleEndian("a8061dc1305136c6c22b8baf0c0127a9"));
});

test("NH, the designers' vector of one unit; it uses the first 64 bytes of the key", () => {
  const key = bytes(`
    225b80c81805370976144b67c4507f2b2cff56c5d566456835e6d29ae5d0c1fb
    ac59811a60b03d814ba35ba9ccb3fe2dc24dd926ad36cf8c05113b8a991581c8`);
  const hash = nh(key, bytes("d382e70435ccf7a4f9b2c5ed5ad958eb"));
  expect(hash).toEqual(bytes("41d9ad545a0dcc5348f64c75435ddd77daca7dec913b53165c4b58dc700a7b37"));
});

/** Vectors of the designers (github.com/google/adiantum), which the Linux kernel tests itself with; tweaks of 32 bytes. */
const vectors = [
  {
    length: 16,
    key: "9eebb2493c1cf5f46a99c2c4dfb1f4dd752057ea2c4fcdb2a53d7b491eabfd0f",
    tweak: "df63d4abd249f3d8338137607dfa7308d8496d80e82f6254eb0ea9395b457f8a",
    plaintext: "67c9f23084418e43fbf3b33e79367fe8",
    ciphertext: "6d32861867860f3f967c9d280d53ec9f",
  },
  {
    length: 31,
    key: "362b5797f85dcd995f1a5a441d920f27cc16d72b856399d3ba96a1dbd26068da",
    tweak: "ef5869b12c5e9a4724c1b169e112938f433d6d00db5ed8d9129afed9ff2daac4",
    plaintext: "5ea868198598122326 0accdb0a04b9df4db3487bb0e3c819435a4606942df2",
    ciphertext: "c7c6f1738fc4ff4a39be78be8d28c8894663e70c7d87e84ec9187bbe186050",
  },
  {
    length: 128,
    key: "a52824341a3cd8f705918fee851f357f803dfc9b94f6fc9e190900a904314f11",
    tweak: "a1ba4995ff346db8cd875d5efdea85db8a7b5eb25d57dd62aca98c41429475b7",
    plaintext: `
      69b4e88c37e86782f1ec5d04e5149113dff2871b69811d71709e9c3bde497011
      a0a3db0d544f6669d7db80a7709268ce81042cc6abaee56015e96fefaa8fa7a7
      638ff2f077f1a8eae1b71f9eab9e4b3f07875b6fcda8afb9fa700b52b8a8a79e
      075fa60eb39b791379c33e8d1c2c68c8511d3c7b7d79772a5665c5542328b003`,
    ciphertext: `
      9e16abed4ba7425ac6fb4e76ffbe03a00fe3adbae4982b0e2148a0b865482748
      845454b29a947be64b29e9cf0591801a3af34196851d9f74515663fa7c288549
      f72ff9f21846f53380a33cceb25793f5aebda9f57b30c49366e0307716e4a031
      ba70bc6813f5b09ac1fc7efe55805c4874a6aaa3acdcc2f58dde34867860758d`,
  },
];

test.each(vectors)("adiantum(xchacha12,aes) of $length bytes, both ways", (vector) => {
  const name = "adiantum(xchacha12,aes)";
  const key = bytes(vector.key);
  const dun = littleEndian(vector.tweak);
  const plaintext = bytes(vector.plaintext);
  expect(plaintext).toHaveLength(vector.length);
  const ciphertext = referenceEncrypt(name, key, vector.length, dun, plaintext);
  expect(ciphertext).toEqual(bytes(vector.ciphertext));
  expect(referenceDecrypt(name, key, vector.length, dun, ciphertext)).toEqual(plaintext);
});

test("all 256 bits of the DUN are the tweak", () => {
  const adiantum = new Adiantum(counting(32));
  const unit = counting(64);
  const ciphertexts = [0n, 1n, 2n ** 128n, 2n ** 255n].map((dun) =>
    Buffer.from(adiantum.encrypt(dun, unit)).toString("hex"),
  );
  expect(new Set(ciphertexts).size).toBe(4);
  expect(adiantum.encrypt(2n ** 256n, unit)).toEqual(adiantum.encrypt(0n, unit));
});
