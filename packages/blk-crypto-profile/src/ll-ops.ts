import type { BlkCryptoKey } from "./blk-crypto-key.js";

/** Given to `keyslotEvict` by a profile without slots. */
export const NO_SLOT = -1;

/**
 * What a driver does to its hardware's keyslots. Calls of one profile never overlap, and each may be asynchronous; a
 * promise must settle, with a timeout of the driver's own where the hardware may hang.
 *
 * Failures are thrown (or rejected) as a `BlkError`; its code becomes the status of the I/O that wanted the slot.
 *
 * @kernel include/linux/blk-crypto-profile.h: blk_crypto_ll_ops
 */
export interface LlOps {
  /**
   * Puts a key into a slot, replacing whatever it holds. Needed by profiles with slots.
   *
   * After a failure the slot counts as empty.
   */
  keyslotProgram?(key: BlkCryptoKey, slotIndex: number): void | Promise<void>;
  /**
   * Removes a key from a slot that nobody uses. Needed by profiles with slots. Profiles without slots may have it to
   * hear of evictions, with `NO_SLOT`: a layered device passes them on.
   */
  keyslotEvict?(key: BlkCryptoKey, slotIndex: number): void | Promise<void>;
}
