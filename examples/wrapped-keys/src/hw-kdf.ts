import { createCipheriv } from "node:crypto";

const BLOCK_BYTES = 16;

/**
 * The key that hardware with wrapped keys encrypts with: NIST SP 800-108 in counter mode with AES-256-CMAC, from the raw
 * key. Written down here once more, from the standards, so that the disk is not compared with its own code.
 */
export function inlineEncryptionKey(rawKey: Uint8Array): Uint8Array {
  const context = Buffer.concat([Buffer.from("inline encryption key"), hex("000000000000 0243008250 00000000")]);
  return kdf(rawKey, context, 64);
}

function kdf(rawKey: Uint8Array, context: Uint8Array, bytes: number): Uint8Array {
  const label = hex("0000400000000000000020");
  const blocks: Buffer[] = [];
  for (let counter = 1; counter <= bytes / BLOCK_BYTES; counter++) {
    blocks.push(aesCmac(rawKey, Buffer.concat([bigEndian(counter), label, hex("00"), context, bigEndian(8 * bytes)])));
  }
  return Buffer.concat(blocks);
}

/** NIST SP 800-38B: CBC of the message, its last block masked by a subkey; the last block of that. */
function aesCmac(key: Uint8Array, message: Uint8Array): Buffer {
  const wholeBlocks = message.length > 0 && message.length % BLOCK_BYTES === 0;
  const padded = wholeBlocks ? Buffer.from(message) : Buffer.concat([message, hex("80")], roundUp(message.length + 1));
  const subkey = double(encryptCbc(key, Buffer.alloc(BLOCK_BYTES)));
  const mask = wholeBlocks ? subkey : double(subkey);
  for (let at = 0; at < BLOCK_BYTES; at++) padded[padded.length - BLOCK_BYTES + at]! ^= mask[at]!;
  return encryptCbc(key, padded).subarray(-BLOCK_BYTES);
}

function encryptCbc(key: Uint8Array, blocks: Uint8Array): Buffer {
  return createCipheriv("aes-256-cbc", key, Buffer.alloc(BLOCK_BYTES)).setAutoPadding(false).update(blocks);
}

/** Times x in GF(2^128), big endian. */
function double(block: Uint8Array): Buffer {
  const doubled = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < BLOCK_BYTES; at++) doubled[at] = (block[at]! << 1) | ((block[at + 1] ?? 0) >> 7);
  if (block[0]! >= 0x80) doubled[BLOCK_BYTES - 1]! ^= 0x87;
  return doubled;
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}
