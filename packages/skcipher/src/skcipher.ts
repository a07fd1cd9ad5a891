/** The smallest data unit, in bytes: one 512-byte sector. */
export const MIN_DATA_UNIT_BYTES = 512;

/** The largest data unit, in bytes. */
export const MAX_DATA_UNIT_BYTES = 65536;

/** How many 32-bit limbs a data unit number (DUN) has: 256 bits. */
export const DUN_LIMBS = 8;

/**
 * One allocated length-preserving cipher; it holds at most one key.
 *
 * Calls are synchronous and a cipher holds no state between them but its key, so ciphers may be used in any order.
 *
 * @kernel include/crypto/skcipher.h: struct crypto_skcipher
 */
export interface Skcipher {
  /** The crypto-API name, e.g. `"xts(aes)"`. */
  readonly name: string;
  /** The key length {@link Skcipher.setKey} takes, in bytes. */
  readonly keyBytes: number;
  /** How many low bytes of the DUN make the IV. */
  readonly ivBytes: number;

  /**
   * Sets or replaces the key. The bytes are copied; `key` may be wiped afterwards. After a refused key the cipher holds
   * none.
   *
   * @throws SkcipherError `EINVAL`: wrong length, or a weak key (equal halves of an XTS key).
   * @kernel include/crypto/skcipher.h: crypto_skcipher_setkey
   */
  setKey(key: Uint8Array): void;

  /**
   * Encrypts whole data units from `src` to `dst`.
   *
   * Unit j is encrypted with DUN `dun + j` (mod 2^256), its IV being the low {@link Skcipher.ivBytes} bytes of that
   * number, little-endian.
   *
   * @param src - plaintext, a multiple of `dataUnitBytes` long (zero is allowed), at any alignment
   * @param dst - as long as `src`; the same bytes as `src`, or no byte in common with it
   * @param dataUnitBytes - a power of two, 512 to 65536
   * @param dun - DUN of the first unit: eight 32-bit limbs, least significant first; not modified
   * @throws SkcipherError `ENOKEY`: no key set; `EINVAL`: lengths, overlap, unit size or DUN shape. `dst` is untouched.
   * @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_encrypt_bio encrypts one data unit a call; here one call
   * covers them all, as a request to the cipher per unit is what costs most.
   */
  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void;

  /** Decrypts whole data units; arguments and errors as for {@link Skcipher.encrypt}. */
  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void;

  /**
   * Forgets the key and wipes what was derived from it, and all scratch memory. Idempotent; {@link Skcipher.setKey} may
   * follow.
   */
  clear(): void;
}
