import { BlkBug, BlkError, type BlockDevice, type CryptoConfig } from "@inlinecrypt/blk-core";
import type { BlkCryptoKey } from "./blk-crypto-key.js";
import { blkCryptoProfileOf } from "./blk-crypto-profile.js";
import { SW_SECRET_BYTES } from "./ll-ops.js";
import { secretBytes } from "./secret-bytes.js";

/**
 * Whether a key of this configuration may work on the device: the device can do it, or software may. Software still
 * needs a cipher for the mode; only `blkCryptoStartUsingKey` knows whether there is one.
 *
 * @kernel block/blk-crypto.c: blk_crypto_config_supported
 */
export function blkCryptoConfigSupported(bdev: BlockDevice, config: CryptoConfig): boolean {
  return blkCryptoConfigSupportedNatively(bdev, config) || bdev.queue.layer.cryptoFallback.supports(config);
}

/** Whether the device itself can do this. @kernel block/blk-crypto.c: blk_crypto_config_supported_natively */
export function blkCryptoConfigSupportedNatively(bdev: BlockDevice, config: CryptoConfig): boolean {
  return bdev.queue.cryptoProfile.supports(config);
}

/**
 * Prepares a device for I/O with a key: needed once per device and key before the first bio, never inside a submission.
 *
 * @throws BlkError EOPNOTSUPP when neither the device nor software can do this; ENOPKG when software could, but there
 * is no fallback or no cipher. BlkBug inside a submission.
 * @kernel block/blk-crypto.c: blk_crypto_start_using_key
 */
export function blkCryptoStartUsingKey(bdev: BlockDevice, key: BlkCryptoKey): void {
  const layer = bdev.queue.layer;
  if (layer.inSubmission) throw new BlkBug("blk_crypto_start_using_key is called inside a submission");
  if (blkCryptoConfigSupportedNatively(bdev, key)) return;
  if (key.keyType !== "raw") {
    throw new BlkError(
      "EOPNOTSUPP",
      "blk_crypto_start_using_key",
      `${bdev.name} does not support this hardware-wrapped ${key.mode.name} key, and software never does`,
    );
  }
  layer.cryptoFallback.startUsingKey(key);
}

/**
 * Removes a key from a device; call it when all I/O with the key has ended, and before the key is wiped. Failures are
 * traced, never thrown: whatever happens, nothing refers to the key afterwards.
 *
 * The fallback is asked too, even where the device serves the key: it may have served it before the device could.
 *
 * @kernel block/blk-crypto.c: blk_crypto_evict_key
 */
export async function blkCryptoEvictKey(bdev: BlockDevice, key: BlkCryptoKey): Promise<void> {
  await Promise.all([bdev.queue.cryptoProfile.evictKey(key), bdev.queue.layer.cryptoFallback.evictKey(key)]);
}

/**
 * The secret that software may use beside a hardware-wrapped key, 32 bytes; `ephKey` is the ephemeral blob that I/O
 * uses. It says nothing about the key that encrypts. The caller wipes it.
 *
 * @throws BlkError EOPNOTSUPP when the device takes no wrapped keys or cannot derive it, EBADMSG for a bad blob.
 * @kernel block/blk-crypto-profile.c: blk_crypto_derive_sw_secret
 */
export async function blkCryptoDeriveSwSecret(bdev: BlockDevice, ephKey: Uint8Array): Promise<Uint8Array> {
  const profile = blkCryptoProfileOf(bdev.queue);
  if (profile === null) {
    throw new BlkError("EOPNOTSUPP", "blk_crypto_derive_sw_secret", `${bdev.name} does not encrypt`);
  }
  const swSecret = secretBytes(SW_SECRET_BYTES);
  try {
    await profile.wrappedKeys.deriveSwSecret(ephKey, swSecret);
  } catch (error) {
    swSecret.fill(0);
    throw error;
  }
  return swSecret;
}
