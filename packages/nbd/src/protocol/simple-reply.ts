import { readU32, writeU32 } from "./bytes.js";
import { NbdMagic } from "./constants.js";

/** A simple reply without its payload. */
export interface SimpleReply {
  /** An `NbdError`, 0 for success. */
  error: number;
  cookieHigh: number;
  cookieLow: number;
}

/** Writes a simple reply's 16 bytes at `at`. */
export function encodeSimpleReply(
  into: Uint8Array,
  at: number,
  error: number,
  cookieHigh: number,
  cookieLow: number,
): void {
  writeU32(into, at, NbdMagic.SIMPLE_REPLY);
  writeU32(into, at + 4, error);
  writeU32(into, at + 8, cookieHigh);
  writeU32(into, at + 12, cookieLow);
}

/** Reads a simple reply's 16 bytes at `at`. False when the magic is wrong. */
export function decodeSimpleReply(from: Uint8Array, at: number, reply: SimpleReply): boolean {
  if (readU32(from, at) !== NbdMagic.SIMPLE_REPLY) return false;
  reply.error = readU32(from, at + 4);
  reply.cookieHigh = readU32(from, at + 8);
  reply.cookieLow = readU32(from, at + 12);
  return true;
}
