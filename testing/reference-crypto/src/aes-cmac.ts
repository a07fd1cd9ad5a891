import { Aes } from "./aes.js";
import { BLOCK_BYTES, xorInto } from "./block-cipher.js";

/** Doubles a block in GF(2^128), the most significant byte first (RFC 4493 section 2.3). */
function double(block: Uint8Array): Uint8Array {
  const doubled = block.map((byte, i) => (byte << 1) | ((block[i + 1] ?? 0) >> 7));
  if (block[0]! & 0x80) doubled[BLOCK_BYTES - 1]! ^= 0x87;
  return doubled;
}

/** The last block: whole with the first subkey, or completed by a 1 bit and zeros with the second. */
function lastBlock(bytes: Uint8Array, subkey1: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(bytes);
  if (bytes.length === BLOCK_BYTES) {
    xorInto(block, subkey1);
  } else {
    block[bytes.length] = 0x80;
    xorInto(block, double(subkey1));
  }
  return block;
}

/**
 * AES-CMAC of a message of any length, by RFC 4493 and SP 800-38B. Returns 16 bytes.
 *
 * @param key - 16, 24 or 32 bytes
 */
export function aesCmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const aes = new Aes(key);
  const zeroBlock = new Uint8Array(BLOCK_BYTES);
  aes.encryptBlock(zeroBlock);
  const subkey1 = double(zeroBlock);

  const lastAt = Math.max(0, Math.ceil(message.length / BLOCK_BYTES) - 1) * BLOCK_BYTES;
  const mac = new Uint8Array(BLOCK_BYTES);
  for (let at = 0; at < lastAt; at += BLOCK_BYTES) {
    xorInto(mac, message.subarray(at, at + BLOCK_BYTES));
    aes.encryptBlock(mac);
  }
  xorInto(mac, lastBlock(message.subarray(lastAt), subkey1));
  aes.encryptBlock(mac);
  return mac;
}
