/**
 * Crypto profiles: modes, keys, what a device's crypto engine can do, its keyslots, and the life of a key on a device.
 *
 * @packageDocumentation
 */
export {
  blkCryptoConfigSupported,
  blkCryptoConfigSupportedNatively,
  blkCryptoDeriveSwSecret,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
} from "./blk-crypto.js";
export { BlkCryptoIoctl, blkCryptoIoctl } from "./blk-crypto-ioctl.js";
export { assertUsableKey, BlkCryptoKey, type BlkCryptoKeyOptions, MAX_HW_WRAPPED_KEY_BYTES } from "./blk-crypto-key.js";
export {
  BlkCryptoProfile,
  type BlkCryptoProfileOptions,
  blkCryptoProfileOf,
  devmBlkCryptoProfileInit,
} from "./blk-crypto-profile.js";
export { formatSysfs, queueCryptoSysfs } from "./blk-crypto-sysfs.js";
export {
  blkCryptoHasCapabilities,
  CryptoCapabilities,
  type CryptoCapabilitiesOptions,
  type CryptoKeyType,
} from "./crypto-capabilities.js";
export {
  BLK_ENCRYPTION_MODE_MAX,
  type CryptoMode,
  type CryptoModeName,
  cryptoModeByName,
  cryptoModeByNum,
  cryptoModes,
} from "./crypto-modes.js";
export type { CryptoTracepoints } from "./crypto-tracepoints.js";
export { Device } from "./device.js";
export { formatSlotTable } from "./format-slot-table.js";
export type { UserMemory } from "./ioctl-call.js";
export type { KeyslotInfo } from "./keyslot.js";
export { type LlOps, NO_SLOT, SW_SECRET_BYTES, type WrappedKeyOps } from "./ll-ops.js";
export type { RuntimePm } from "./runtime-pm.js";
export type { WrappedKeys } from "./wrapped-keys.js";
