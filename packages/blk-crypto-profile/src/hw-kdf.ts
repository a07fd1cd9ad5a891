import { cmac } from "@noble/ciphers/aes.js";
import { secretBytes } from "./secret-bytes.js";

/** Length of the key that the KDF starts from: AES-256. */
export const ROOT_KEY_BYTES = 32;
/** Length of the inline encryption key it derives: AES-256-XTS. */
export const INLINE_KEY_BYTES = 64;

const CMAC_BYTES = 16;
const LABEL = [0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x20];
const INLINE_KEY_CONTEXT = context("inline encryption key", 6, [0x02, 0x43, 0x00, 0x82, 0x50], 4);
const SW_SECRET_CONTEXT = context("raw secret", 9, [0x02, 0x17, 0x00, 0x80, 0x50], 4);

/** Fills `inlineKey` (64 bytes) with the key the hardware encrypts with. */
export function deriveInlineKey(rootKey: Uint8Array, inlineKey: Uint8Array): void {
  kdf(rootKey, INLINE_KEY_CONTEXT, inlineKey);
}

/** Fills `swSecret` (32 bytes) with the secret that software may have; it says nothing about the inline key. */
export function deriveSwSecret(rootKey: Uint8Array, swSecret: Uint8Array): void {
  kdf(rootKey, SW_SECRET_CONTEXT, swSecret);
}

/**
 * NIST SP 800-108 in counter mode with AES-256-CMAC, with the label and contexts of the wrapped-key hardware there is:
 * xfstests derives the same keys to check what such hardware wrote (`src/fscrypt-crypt-util.c: hw_kdf`).
 */
function kdf(rootKey: Uint8Array, kdfContext: readonly number[], out: Uint8Array): void {
  const input = new Uint8Array([0, 0, 0, 0, ...LABEL, 0, ...kdfContext, 0, 0, 0, 0]);
  const view = new DataView(input.buffer);
  view.setUint32(input.length - 4, out.length * 8);
  const block = secretBytes(CMAC_BYTES);
  for (let done = 0, counter = 1; done < out.length; done += CMAC_BYTES, counter++) {
    view.setUint32(0, counter);
    const mac = cmac.create(rootKey).update(input);
    // Not `digest`, which returns an array in V8's heap.
    mac.digestInto(block);
    mac.destroy();
    out.set(block.subarray(0, out.length - done), done);
  }
  block.fill(0);
}

function context(name: string, zeroes: number, tail: readonly number[], lastZeroes: number): readonly number[] {
  const ascii = Array.from(name, (letter) => letter.charCodeAt(0));
  return [...ascii, ...new Array<number>(zeroes).fill(0), ...tail, ...new Array<number>(lastZeroes).fill(0)];
}
