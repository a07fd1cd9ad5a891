import type { BlkCryptoKey } from "./blk-crypto-key.js";

/** Given to `keyslotEvict` by a profile without slots. */
export const NO_SLOT = -1;

/** Length of a software secret. @kernel include/linux/blk-crypto.h: BLK_CRYPTO_SW_SECRET_SIZE */
export const SW_SECRET_BYTES = 32;

/**
 * What hardware that wraps keys does. A long-term blob may be stored; an ephemeral blob is what I/O uses, and is worth
 * nothing after a reboot. Blobs have at most `MAX_HW_WRAPPED_KEY_BYTES`.
 *
 * Buffers are lent for the call: fill those for results, keep none, and return how many bytes of a blob you wrote.
 */
export interface WrappedKeyOps {
  /**
   * Derives the secret that software may use beside the inline encryption key, into `swSecret` (32 bytes).
   *
   * @throws BlkError EBADMSG when `ephKey` is no ephemeral blob of this boot.
   */
  deriveSwSecret(ephKey: Uint8Array, swSecret: Uint8Array): void | Promise<void>;
  /** Wraps a raw key for the long term, into `ltKey`. @throws BlkError EINVAL for a key the hardware does not take. */
  importKey(rawKey: Uint8Array, ltKey: Uint8Array): number | Promise<number>;
  /** Makes a key that software never sees, wrapped for the long term, into `ltKey`. */
  generateKey(ltKey: Uint8Array): number | Promise<number>;
  /** Wraps a long-term blob's key for this boot, into `ephKey`. @throws BlkError EBADMSG when it is no long-term blob. */
  prepareKey(ltKey: Uint8Array, ephKey: Uint8Array): number | Promise<number>;
}

/**
 * What a driver does to its hardware's keys. Calls of one profile never overlap, and each may be asynchronous; a promise
 * must settle, with a timeout of the driver's own where the hardware may hang.
 *
 * Failures are thrown (or rejected) as a `BlkError`; its code becomes the status of the I/O that wanted the slot.
 *
 * @kernel include/linux/blk-crypto-profile.h: blk_crypto_ll_ops
 */
export interface LlOps extends Partial<WrappedKeyOps> {
  /**
   * Puts a key into a slot, replacing whatever it holds. Needed by profiles with slots.
   *
   * After a failure the slot counts as empty; when a key is evicted that may still be in it, the former one or this,
   * `keyslotEvict` is called for it.
   */
  keyslotProgram?(key: BlkCryptoKey, slotIndex: number): void | Promise<void>;
  /**
   * Removes a key from a slot that nobody uses. Needed by profiles with slots. Profiles without slots may have it to
   * hear of evictions, with `NO_SLOT`: a layered device passes them on.
   */
  keyslotEvict?(key: BlkCryptoKey, slotIndex: number): void | Promise<void>;
}
