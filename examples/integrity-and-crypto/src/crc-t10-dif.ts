/** The guard of a block as T10 defines it, bit by bit: the disk computes it by itself. */
export function crcT10Dif(block: Uint8Array): number {
  let crc = 0;
  for (const byte of block) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x8bb7;
    crc &= 0xffff;
  }
  return crc;
}
