/** Numbers in byte arrays. Descriptors are little-endian, UPIUs and SCSI big-endian; whoever calls has checked the range. */

/** Reads 16 bits, little-endian. */
export function readU16Le(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

/** Reads 32 bits, little-endian. */
export function readU32Le(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Reads a 64-bit address, little-endian. Above 2^53 the low bits are lost: no memory reaches there. */
export function readU64Le(bytes: Uint8Array, at: number): number {
  return readU32Le(bytes, at + 4) * 0x1_0000_0000 + readU32Le(bytes, at);
}

/** Writes 16 bits, little-endian. */
export function writeU16Le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

/** Writes 32 bits, little-endian. */
export function writeU32Le(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Writes a 64-bit address of at most 2^53 - 1, little-endian. */
export function writeU64Le(bytes: Uint8Array, at: number, value: number): void {
  writeU32Le(bytes, at, value % 0x1_0000_0000);
  writeU32Le(bytes, at + 4, Math.floor(value / 0x1_0000_0000));
}

/** Reads 16 bits, big-endian. */
export function readU16Be(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Reads 32 bits, big-endian. */
export function readU32Be(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Reads 64 bits, big-endian. Above 2^53 the low bits are lost: no logical unit is that large. */
export function readU64Be(bytes: Uint8Array, at: number): number {
  return readU32Be(bytes, at) * 0x1_0000_0000 + readU32Be(bytes, at + 4);
}

/** Writes 16 bits, big-endian. */
export function writeU16Be(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes 32 bits, big-endian. */
export function writeU32Be(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes 64 bits, big-endian; `value` is at most 2^53 - 1. */
export function writeU64Be(bytes: Uint8Array, at: number, value: number): void {
  writeU32Be(bytes, at, Math.floor(value / 0x1_0000_0000));
  writeU32Be(bytes, at + 4, value % 0x1_0000_0000);
}
