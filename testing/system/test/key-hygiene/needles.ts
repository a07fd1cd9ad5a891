import { createHash, randomBytes } from "node:crypto";
import type { CryptoModeName } from "@inlinecrypt/blk-crypto-profile";

/** Long enough that chance never finds it, and short enough for the first round key of any AES schedule. */
const PIECE_BYTES = 16;

/**
 * Bytes to look for, as two halves whose xor they are: whoever holds a needle does not hold the bytes, so a scan of its
 * own memory does not find the needle.
 */
export interface Needle {
  readonly name: string;
  /** Hex. */
  readonly masked: string;
  /** Hex. */
  readonly mask: string;
}

/**
 * What must not stay behind of a key: its bytes in pieces, in the byte order of AES schedules in memory, either as they are
 * (AES-NI, JavaScript) or with the bytes of each word swapped (OpenSSL's table code); its hex digits; and what is
 * derived from it and as good as the key.
 */
export function needlesOf(key: Uint8Array, mode: CryptoModeName): Needle[] {
  const needles = needlesOfSecret("key", key);
  needles.push(...piecesOf("hex of the key", Buffer.from(Buffer.from(key).toString("hex"))));
  if (mode === "AES-128-CBC-ESSIV") {
    needles.push(...needlesOfSecret("ESSIV salt", createHash("sha256").update(key).digest()));
  }
  return needles;
}

/** The pieces of a secret, in both byte orders. */
export function needlesOfSecret(name: string, secret: Uint8Array): Needle[] {
  return [...piecesOf(name, secret), ...piecesOf(`word-swapped ${name}`, Buffer.from(secret).swap32())];
}

function piecesOf(name: string, bytes: Uint8Array): Needle[] {
  const needles: Needle[] = [];
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const mask = randomBytes(PIECE_BYTES);
    const masked = mask.map((byte, index) => byte ^ bytes[at + index]!);
    needles.push({ name: `${name}, byte ${at}`, masked: hex(masked), mask: hex(mask) });
  }
  return needles;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
