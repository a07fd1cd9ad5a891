/** x^16 + x^15 + x^11 + x^9 + x^8 + x^7 + x^5 + x^4 + x^2 + x + 1, the highest bit first. */
const POLYNOMIAL = 0x8bb7;
/** Bytes taken in at a time. */
const SLICE_BYTES = 8;
/** Entry `256 * n + byte`: what a byte with n bytes behind it adds to the remainder. */
const TABLE: Uint16Array = makeTable();

/**
 * Continues the T10 CRC over `bytes` of `data` from `offset`; start with 0. It is the guard tag of a whole interval.
 *
 * @kernel lib/crc/crc-t10dif-main.c: crc_t10dif_update
 */
export function crcT10Dif(crc: number, data: Uint8Array, offset: number, bytes: number): number {
  const end = offset + bytes;
  let at = offset;
  for (; at + SLICE_BYTES <= end; at += SLICE_BYTES) {
    crc =
      TABLE[1792 + (data[at]! ^ (crc >> 8))]! ^
      TABLE[1536 + (data[at + 1]! ^ (crc & 0xff))]! ^
      TABLE[1280 + data[at + 2]!]! ^
      TABLE[1024 + data[at + 3]!]! ^
      TABLE[768 + data[at + 4]!]! ^
      TABLE[512 + data[at + 5]!]! ^
      TABLE[256 + data[at + 6]!]! ^
      TABLE[data[at + 7]!]!;
  }
  for (; at < end; at++) crc = addByte(TABLE, crc, data[at]!);
  return crc;
}

function addByte(table: Uint16Array, crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ table[(crc >> 8) ^ byte]!;
}

function makeTable(): Uint16Array {
  const table = new Uint16Array(256 * SLICE_BYTES);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ (crc & 0x8000 ? POLYNOMIAL : 0)) & 0xffff;
    table[byte] = crc;
  }
  for (let at = 256; at < table.length; at++) table[at] = addByte(table, table[at - 256]!, 0);
  return table;
}
