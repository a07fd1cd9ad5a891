import { fromLittleEndian } from "./little-endian.js";

const PRIME = 2n ** 130n - 5n;
const CHUNK_BYTES = 16;

/** The bits of r that RFC 8439 section 2.5 keeps. */
const CLAMP = 0x0ffffffc0ffffffc0ffffffc0fffffffn;

/**
 * The polynomial of RFC 8439 section 2.5 over the message, modulo 2^130 - 5 and then modulo 2^128: Poly1305 before it adds s,
 * which is how Adiantum uses it.
 *
 * @param key - r, 16 bytes, not clamped yet
 */
export function poly1305(key: Uint8Array, message: Uint8Array): bigint {
  const r = fromLittleEndian(key) & CLAMP;
  let sum = 0n;
  for (let at = 0; at < message.length; at += CHUNK_BYTES) {
    const chunk = message.subarray(at, at + CHUNK_BYTES);
    const marked = fromLittleEndian(chunk) + 2n ** BigInt(8 * chunk.length);
    sum = ((sum + marked) * r) % PRIME;
  }
  return sum % 2n ** 128n;
}
