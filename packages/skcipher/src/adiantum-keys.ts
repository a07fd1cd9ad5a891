import { XChaCha12 } from "./chacha12.js";
import { NH_KEY_WORDS } from "./nh.js";
import { secretBytes } from "./secret-bytes.js";

/** Bytes of the key of Adiantum, which is that of its stream cipher. */
export const STREAM_KEY_BYTES = 32;

/** Bytes of the key of its block cipher, AES-256. */
export const BLOCK_KEY_BYTES = 32;

const POLY1305_KEY_BYTES = 16;

/** Where the keys of the hash lie behind that of the stream cipher: of Poly1305 over header and message, and of NH. */
const STREAM_KEY_AT = 0;
export const HEADER_KEY_AT: number = STREAM_KEY_AT + STREAM_KEY_BYTES;
export const MESSAGE_KEY_AT: number = HEADER_KEY_AT + POLY1305_KEY_BYTES;
export const NH_KEY_AT: number = MESSAGE_KEY_AT + POLY1305_KEY_BYTES;

/** Bytes of the keys of stream cipher and hash. */
export const SOFT_KEYS_BYTES: number = NH_KEY_AT + 4 * NH_KEY_WORDS;

/** All keys of Adiantum, to be wiped. */
export interface AdiantumKeys {
  readonly blockKey: Uint8Array;
  /** `SOFT_KEYS_BYTES`, laid out as the constants above say. */
  readonly softKeys: Uint8Array;
}

/**
 * Derives the keys of block cipher and hash: the key stream under the nonce 1.
 *
 * @kernel crypto/adiantum.c: adiantum_setkey
 */
export function deriveAdiantumKeys(key: Uint8Array): AdiantumKeys {
  const derived = secretBytes(BLOCK_KEY_BYTES + SOFT_KEYS_BYTES - STREAM_KEY_BYTES);
  const softKeys = secretBytes(SOFT_KEYS_BYTES);
  softKeys.set(key);
  const stream = new XChaCha12();
  stream.start(new Int32Array(softKeys.buffer, 0, STREAM_KEY_BYTES / 4), Int32Array.of(1, 0, 0, 0), 0, 0);
  stream.add(new Int32Array(derived.buffer), 0, derived.length / 4);
  stream.clear();
  const blockKey = secretBytes(BLOCK_KEY_BYTES);
  blockKey.set(derived.subarray(0, BLOCK_KEY_BYTES));
  softKeys.set(derived.subarray(BLOCK_KEY_BYTES), HEADER_KEY_AT);
  derived.fill(0);
  return { blockKey, softKeys };
}
