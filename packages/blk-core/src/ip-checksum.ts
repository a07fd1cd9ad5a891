/**
 * Adds `bytes` of `data` from `offset` to an Internet checksum's sum of big-endian 16-bit words; start with 0. Pieces may
 * have any length: `odd` tells that an odd number of bytes came before. Sums of up to 64 KiB fit 32 bits.
 *
 * @kernel lib/checksum.c: csum_partial
 */
export function ipChecksumAdd(sum: number, data: Uint8Array, offset: number, bytes: number, odd: boolean): number {
  const end = offset + bytes;
  let at = offset;
  if (odd && at < end) sum += data[at++]!;
  for (; at + 1 < end; at += 2) sum += (data[at]! << 8) | data[at + 1]!;
  if (at < end) sum += data[at]! << 8;
  return sum;
}

/** The checksum of a sum: its carries added back in, inverted. @kernel include/asm-generic/checksum.h: csum_fold */
export function ipChecksumFold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 65536);
  return ~folded & 0xffff;
}
