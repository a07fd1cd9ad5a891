/** The bytes that a string of hex digits spells; blanks do not count. */
export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ""), "hex"));

/** The number whose bytes in little-endian order a string of hex digits spells. */
export const littleEndian = (hex: string): bigint =>
  BigInt(`0x${Buffer.from(bytes(hex).toReversed()).toString("hex")}`);

/** `count` bytes that count up from `first`. */
export const counting = (count: number, first = 0): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => first + i);
