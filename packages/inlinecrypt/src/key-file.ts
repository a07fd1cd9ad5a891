import type { CryptoMode } from "@inlinecrypt/blk-crypto-profile";
import { RequestError } from "./failure.js";
import { readAtMost } from "./read-at-most.js";

/** A key as read; the caller wipes `bytes`. */
export interface KeyFileContent {
  readonly bytes: Uint8Array;
  /** A warning for people, when everyone on the machine may read or change the file. */
  readonly warning: string | null;
}

/** More than any key in hex with every digit on its own line, and little enough to be read from `/dev/zero`. */
const FILE_BYTES_MAX = 4096;

const WORLD_ACCESS = 0o006;
const ALL_MODE_BITS = 0o7777;

/**
 * Reads a raw key from a file that holds its bytes, or its hex digits with whitespace anywhere. A file of nothing but
 * hex digits and whitespace is hex. No part of the key becomes a string: strings cannot be wiped.
 *
 * @throws RequestError when the file cannot be read, or does not hold a key for the mode; never with key bytes.
 */
export async function readKeyFile(path: string, mode: CryptoMode): Promise<KeyFileContent> {
  const content = Buffer.alloc(FILE_BYTES_MAX + 1);
  try {
    const { bytesRead, mode: fileMode } = await readAtMost(path, content, `key file ${path}`);
    const found = content.subarray(0, bytesRead);
    const bytes = hexDigits(found) === null ? rawKey(path, mode, found) : hexKey(path, mode, found);
    return { bytes, warning: warnOfAccess(path, fileMode & ALL_MODE_BITS) };
  } finally {
    content.fill(0);
  }
}

/** How many hex digits there are, or null when there is anything but digits and whitespace, or nothing. */
function hexDigits(content: Uint8Array): number | null {
  let digits = 0;
  for (const byte of content) {
    if (hexValue(byte) >= 0) digits++;
    else if (!isWhitespace(byte)) return null;
  }
  return digits === 0 ? null : digits;
}

function rawKey(path: string, mode: CryptoMode, content: Uint8Array): Uint8Array {
  if (content.length !== mode.keyBytes) {
    throw wrongLength(path, mode, content.length > FILE_BYTES_MAX ? `over ${FILE_BYTES_MAX} bytes` : bytes(content));
  }
  const key = newKey(mode);
  key.set(content);
  return key;
}

function hexKey(path: string, mode: CryptoMode, content: Uint8Array): Uint8Array {
  const digits = hexDigits(content);
  if (digits !== 2 * mode.keyBytes) throw wrongLength(path, mode, `${digits} hex digits`);
  const key = newKey(mode);
  let digit = 0;
  for (const byte of content) {
    const value = hexValue(byte);
    if (value < 0) continue;
    key[digit >> 1] = (key[digit >> 1]! << 4) | value;
    digit++;
  }
  return key;
}

/** Memory outside of V8's heap, where the garbage collector would move the key and leave the old bytes behind. */
function newKey(mode: CryptoMode): Uint8Array {
  return new Uint8Array(new ArrayBuffer(mode.keyBytes));
}

function wrongLength(path: string, mode: CryptoMode, found: string): RequestError {
  const expected = `${mode.keyBytes} bytes, or ${2 * mode.keyBytes} hex digits`;
  return new RequestError(`key file ${path} holds ${found}; a key for ${mode.name} is ${expected}`);
}

function bytes(content: Uint8Array): string {
  return content.length === 0 ? "nothing" : `${content.length} bytes`;
}

function warnOfAccess(path: string, permissions: number): string | null {
  // Windows makes these bits up.
  if (process.platform === "win32" || (permissions & WORLD_ACCESS) === 0) return null;
  const octal = permissions.toString(8).padStart(4, "0");
  return `key file ${path} is open to every user of this machine (mode ${octal}); chmod 600 makes it yours alone`;
}

function hexValue(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function isWhitespace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
