import { toLittleEndian } from "./little-endian.js";

/** A message is hashed four times, each pass with the key moved on by one unit. */
const PASSES = 4;
const UNIT_BYTES = 16;

/** Bytes in the longest message NH hashes at once. */
export const NH_MESSAGE_BYTES = 1024;

/** Bytes in the key of NH. */
export const NH_KEY_BYTES: number = NH_MESSAGE_BYTES + UNIT_BYTES * (PASSES - 1);

/** The words of bytes, little-endian. */
function words(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

/** The product of two words, after adding a key word to each modulo 2^32. */
function product(m0: number, k0: number, m1: number, k1: number): bigint {
  return BigInt((m0 + k0) >>> 0) * BigInt((m1 + k1) >>> 0);
}

/**
 * NH of a message of up to 1024 bytes in whole units of 16, as the Adiantum paper has it: in each pass, for each unit of words
 * m0 to m3 and the key words beside them, the products (m0 + k0) * (m2 + k2) and (m1 + k1) * (m3 + k3) are summed; sums of words
 * are modulo 2^32, those of products modulo 2^64. Returns the four sums, 8 bytes each.
 */
export function nh(key: Uint8Array, message: Uint8Array): Uint8Array {
  const k = words(key);
  const m = words(message);
  const hash = new Uint8Array(8 * PASSES);
  for (let pass = 0; pass < PASSES; pass++) {
    let sum = 0n;
    for (let i = 0; i < m.length; i += 4) {
      const j = i + 4 * pass;
      sum += product(m[i]!, k[j]!, m[i + 2]!, k[j + 2]!) + product(m[i + 1]!, k[j + 1]!, m[i + 3]!, k[j + 3]!);
    }
    hash.set(toLittleEndian(sum, 8), 8 * pass);
  }
  return hash;
}
