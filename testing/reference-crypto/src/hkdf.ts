import { createHmac } from "node:crypto";

/** HKDF by RFC 5869: extract with the salt, then expand with the info. */
export function hkdf(
  hash: "sha256" | "sha512",
  inputKey: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  outputBytes: number,
): Uint8Array {
  const hmac = (key: Uint8Array, ...parts: Uint8Array[]): Uint8Array => {
    const state = createHmac(hash, key);
    for (const part of parts) state.update(part);
    return state.digest();
  };
  // No salt is a salt of zeros, as long as the hash; HMAC itself pads a shorter one with zeros.
  const pseudorandomKey = hmac(salt, inputKey);
  const output: number[] = [];
  let block: Uint8Array = new Uint8Array(0);
  for (let counter = 1; output.length < outputBytes; counter++) {
    block = hmac(pseudorandomKey, block, info, Uint8Array.of(counter));
    output.push(...block);
  }
  return new Uint8Array(output.slice(0, outputBytes));
}
