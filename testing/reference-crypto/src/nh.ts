import { toLittleEndian } from "./little-endian.js";

/** A message is hashed four times, each pass with the key moved on by one unit. */
const PASSES = 4;
const UNIT_BYTES = 16;

/** Bytes in the longest message NH hashes at once. */
export const NH_MESSAGE_BYTES = 1024;

/** Bytes in the key of NH. */
export const NH_KEY_BYTES: number = NH_MESSAGE_BYTES + UNIT_BYTES * (PASSES - 1);

function word(bytes: Uint8Array, index: number): bigint {
  return BigInt(new DataView(bytes.buffer, bytes.byteOffset).getUint32(4 * index, true));
}

/**
 * NH of a message of up to 1024 bytes in whole units of 16, as the Adiantum paper has it: in each pass, for each unit of words
 * m0 to m3 and the key words beside them, the products (m0 + k0) * (m2 + k2) and (m1 + k1) * (m3 + k3) are summed; sums of words
 * are modulo 2^32, those of products modulo 2^64. Returns the four sums, 8 bytes each.
 */
export function nh(key: Uint8Array, message: Uint8Array): Uint8Array {
  const hash = new Uint8Array(8 * PASSES);
  for (let pass = 0; pass < PASSES; pass++) {
    let sum = 0n;
    for (let unit = 0; unit < message.length / 4; unit += 4) {
      const added = (i: number): bigint => (word(message, unit + i) + word(key, unit + i + 4 * pass)) % 2n ** 32n;
      sum += added(0) * added(2) + added(1) * added(3);
    }
    hash.set(toLittleEndian(sum, 8), 8 * pass);
  }
  return hash;
}
