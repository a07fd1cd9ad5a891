/** A block cipher in one direction, under one key. */
export interface BlockTransform {
  /** Replaces each 16-byte block of `blocks` by its image. */
  run(blocks: Uint8Array): void;
  /** Wipes the key; the transform is not used again. */
  clear(): void;
}

/** A block cipher with 16-byte blocks, over many blocks at a time. */
export interface BlockCipher {
  readonly keyBytes: number;
  encryptor(key: Uint8Array): BlockTransform;
  decryptor(key: Uint8Array): BlockTransform;
}

/** Bytes in a block. */
export const BLOCK_BYTES = 16;
