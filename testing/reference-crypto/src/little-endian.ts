/** The lowest `byteCount` bytes of a number, the least significant one first: what the kernel makes of a DUN. */
export function toLittleEndian(value: bigint, byteCount: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/** The number whose bytes, the least significant one first, are `bytes`. */
export function fromLittleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
