/**
 * Crypto profiles: modes, keys, what a device's crypto engine can do, its keyslots, and the life of a key on a device.
 *
 * @packageDocumentation
 */
export {
  blkCryptoConfigSupported,
  blkCryptoConfigSupportedNatively,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "./blk-crypto.js";
export { assertUsableKey, BlkCryptoKey, type BlkCryptoKeyOptions, MAX_HW_WRAPPED_KEY_BYTES } from "./blk-crypto-key.js";
export {
  BlkCryptoProfile,
  type BlkCryptoProfileOptions,
  type CryptoCapabilities,
  type KeyslotInfo,
} from "./blk-crypto-profile.js";
export {
  BLK_ENCRYPTION_MODE_MAX,
  type CryptoMode,
  type CryptoModeName,
  cryptoModeByName,
  cryptoModeByNum,
  cryptoModes,
} from "./crypto-modes.js";
export { type LlOps, NO_SLOT, SW_SECRET_BYTES, type WrappedKeyOps } from "./ll-ops.js";
