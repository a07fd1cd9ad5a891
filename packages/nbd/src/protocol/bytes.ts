/** Big-endian numbers in byte arrays; everything on the wire is in network byte order. */

/** Reads 16 bits. */
export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Reads 32 bits. */
export function readU32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/**
 * Reads 64 bits as a number. Above 2^53 the low bits are lost: such a value is larger than any device, which is all
 * that its readers ask.
 */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * 0x1_0000_0000 + readU32(bytes, at + 4);
}

/** Writes 16 bits. */
export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes 32 bits. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Writes 64 bits; `value` is at most 2^53 - 1. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, at + 4, value % 0x1_0000_0000);
}

/**
 * Collects a fixed number of bytes from chunks of any size.
 */
export class FillBuffer {
  /** What was collected; `wanted` bytes of it count. */
  readonly bytes: Uint8Array;
  #wanted = 0;
  #have = 0;

  /** @param capacityBytes the most that `want` may ask for. */
  constructor(capacityBytes: number) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  /** Starts over, to collect `count` bytes. */
  want(count: number): void {
    this.#wanted = count;
    this.#have = 0;
  }

  get isFull(): boolean {
    return this.#have === this.#wanted;
  }

  /** Takes what is missing from `chunk`, from `at` on, and returns the position after it. */
  fill(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#wanted - this.#have, chunk.length - at);
    for (let index = 0; index < taken; index++) this.bytes[this.#have + index] = chunk[at + index]!;
    this.#have += taken;
    return at + taken;
  }
}
