/** Bytes in a block of AES and of SM4. */
export const BLOCK_BYTES = 16;

/** A cipher of 16-byte blocks with its key set. */
export interface BlockCipher {
  /** Encrypts one block in place. */
  encryptBlock(block: Uint8Array): void;
  /** Decrypts one block in place. */
  decryptBlock(block: Uint8Array): void;
}

/** Adds `other` to `block`, bit by bit without carry. */
export function xorInto(block: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < block.length; i++) block[i]! ^= other[i]!;
}

/** @throws RangeError when `input` is not a whole number of blocks */
export function assertWholeBlocks(input: Uint8Array): void {
  if (input.length % BLOCK_BYTES !== 0) throw new RangeError(`${input.length} bytes are not whole blocks`);
}
