import type { Bio } from "./bio.js";
import type { BlockLayer } from "./block-layer.js";
import { BlkError } from "./errors.js";
import { BlkStatus } from "./status.js";

/** Bits of `CryptoConfig.flags`. */
export const CryptoCfgFlag = {
  /** Hardware may serve the key. Without it only software does. @kernel include/linux/blk-crypto.h: BLK_CRYPTO_CFG_ALLOW_HW */
  ALLOW_HW: 0x1,
} as const;

/** What a device must be able to do for a key to work on it. @kernel include/linux/blk-crypto.h: blk_crypto_config */
export interface CryptoConfig {
  /** Number of the mode in the kernel's table, 1 for AES-256-XTS. */
  readonly modeNum: number;
  /** Bytes a data unit, a power of two. */
  readonly dataUnitBytes: number;
  /** Bytes needed for the largest DUN that will be used with the key. */
  readonly dunBytes: number;
  /** Raw bytes, or a blob that only the hardware can unwrap. */
  readonly keyType: "raw" | "hw-wrapped";
  /** Of `CryptoCfgFlag`. @default ALLOW_HW */
  readonly flags?: number;
}

/** A key as the block layer sees it: an identity and what it asks of a device, never its bytes. */
export interface CryptoKeyRef extends CryptoConfig {
  /** log2 of `dataUnitBytes`. */
  readonly dataUnitBits: number;
}

/** A directory of sysfs: what each file says now, by its path. @kernel include/linux/sysfs.h: attribute_group */
export type SysfsFiles = ReadonlyMap<string, () => string>;

/** A programmed slot of a device's crypto engine. */
export interface Keyslot {
  /** 0-based and stable: what a driver puts into a command. */
  readonly slotIndex: number;
}

/** `getKeyslot` has linked the waiter and will call `granted` later. */
export const KEYSLOT_PENDING = -1;
export type KeyslotResult = BlkStatus | typeof KEYSLOT_PENDING;

/** The part of a request (or fallback I/O) through which it gets and, if need be, waits for a keyslot. */
export class KeyslotWaiter {
  next: KeyslotWaiter | null = null;
  /** The key wanted; set by the owner before `getKeyslot`. */
  key: CryptoKeyRef | null = null;
  /** The slot held: set when granted, null for profiles without slots; cleared by the owner when it puts the slot. */
  slot: Keyslot | null = null;
  /** The profile's: when `getKeyslot` answered KEYSLOT_PENDING, on the executor's clock. */
  waitingSinceMs = 0;
  /** Called once after KEYSLOT_PENDING, with OK and `slot` set, or with why there is none. */
  readonly granted: (status: BlkStatus) => void;

  constructor(granted: (status: BlkStatus) => void) {
    this.granted = granted;
  }
}

/**
 * What a queue needs of its device's crypto profile; `@inlinecrypt/blk-crypto-profile` implements it.
 *
 * @kernel include/linux/blk-crypto-profile.h: blk_crypto_profile
 */
export interface CryptoProfile {
  /**
   * Whether the device itself can do this, and may: never without ALLOW_HW.
   *
   * @kernel block/blk-crypto.c: blk_crypto_config_supported_natively
   */
  supports(config: CryptoConfig): boolean;
  /** @kernel block/blk-crypto-profile.c: blk_crypto_get_keyslot */
  getKeyslot(waiter: KeyslotWaiter): KeyslotResult;
  /** Drops one reference; the last makes the slot idle. @kernel block/blk-crypto-profile.c: blk_crypto_put_keyslot */
  putKeyslot(slot: Keyslot): void;
  /** Removes a key from every slot; failures are traced, the key is gone all the same. May wait. */
  evictKey(key: CryptoKeyRef): Promise<void>;
  /**
   * The files of `queue/crypto`: a disk asks once, when it comes into being. Without them there is no such directory.
   *
   * @kernel block/blk-crypto-sysfs.c: blk_crypto_sysfs_register
   */
  sysfsFiles?(): SysfsFiles;
}

/**
 * Serves bios whose context the device cannot; `@inlinecrypt/blk-crypto-fallback` implements it.
 *
 * @kernel block/blk-crypto-fallback.c
 */
export interface CryptoFallback {
  /** Called once by the block layer that owns this fallback. */
  attach(layer: BlockLayer): void;
  /**
   * Takes over a context bio. True: the caller must still submit the bio (a read, now hooked and without context);
   * false: the fallback submits what is needed and ends the bio (writes, refusals).
   *
   * @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_bio_prep
   */
  prepBio(bio: Bio): boolean;
  /**
   * Whether keys of this configuration may be served: raw ones. Whether there is a cipher, `startUsingKey` tells.
   *
   * @kernel block/blk-crypto.c: blk_crypto_config_supported
   */
  supports(config: CryptoConfig): boolean;
  /** Sets up what the key's mode needs. @throws BlkError EOPNOTSUPP, ENOPKG. */
  startUsingKey(key: CryptoKeyRef): void;
  /** Removes a key from the fallback's slots. May wait. */
  evictKey(key: CryptoKeyRef): Promise<void>;
  /**
   * Another one of the same kind, attached, with bounded resources of its own: for a stacking driver that attaches contexts
   * itself. What is encrypted above it holds those of this fallback until the driver's own I/O has ended. Absent where a
   * fallback holds nothing meanwhile.
   */
  nested?(): CryptoFallback;
}

/** The profile of a device without crypto hardware. */
export const noCryptoProfile: CryptoProfile = {
  supports: () => false,
  getKeyslot: () => BlkStatus.NOTSUPP,
  putKeyslot: () => {},
  evictKey: async () => {},
};

/** The fallback of a block layer built without one: context bios that no hardware serves fail. */
export const noCryptoFallback: CryptoFallback = {
  attach: () => {},
  prepBio(bio) {
    bio.endIoWith(BlkStatus.NOTSUPP);
    return false;
  },
  supports: () => false,
  startUsingKey: (key) => {
    throw new BlkError(
      "ENOPKG",
      "blk_crypto_start_using_key",
      `no device support and no software fallback for mode ${key.modeNum}`,
    );
  },
  evictKey: async () => {},
};
