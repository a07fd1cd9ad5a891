import {
  BlkError,
  type BlockLayer,
  CryptoCfgFlag,
  type CryptoConfig,
  type CryptoKeyRef,
  type CryptoProfile,
  type Keyslot,
  type KeyslotResult,
  type KeyslotWaiter,
  type RequestQueue,
  type SysfsFiles,
} from "@inlinecrypt/blk-core";
import { BlkCryptoKey } from "./blk-crypto-key.js";
import { cryptoSysfsFiles } from "./blk-crypto-sysfs.js";
import { CryptoCapabilities, type CryptoCapabilitiesOptions } from "./crypto-capabilities.js";
import type { CryptoTracepoints } from "./crypto-tracepoints.js";
import type { Device } from "./device.js";
import type { KeyslotInfo } from "./keyslot.js";
import { KeyslotManager } from "./keyslot-manager.js";
import type { LlOps } from "./ll-ops.js";
import type { RuntimePm } from "./runtime-pm.js";
import { WrappedKeys } from "./wrapped-keys.js";

export interface BlkCryptoProfileOptions extends CryptoCapabilitiesOptions {
  /** Keyslots of the engine, numbered from 0; 0: it takes keys some other way. */
  slotCount: number;
  /** @default {} */
  llOps?: LlOps;
  /** The device to keep awake during low-level ops. Without it, it is always awake. */
  dev?: RuntimePm;
}

/**
 * A device's inline encryption: what it can do, its keyslots, and the wrapped keys it takes. Several queues may share
 * one: they share its slots, and one eviction serves all.
 *
 * @kernel block/blk-crypto-profile.c
 */
export class BlkCryptoProfile implements CryptoProfile {
  readonly slotCount: number;
  readonly capabilities: CryptoCapabilities;
  /** Import, generate, prepare, derive. */
  readonly wrappedKeys: WrappedKeys;
  readonly #keyslots: KeyslotManager;

  /**
   * @throws BlkError EINVAL for capabilities that make no sense, and for slots without the ops to fill and empty them.
   * @kernel block/blk-crypto-profile.c: blk_crypto_profile_init
   */
  constructor(layer: BlockLayer, options: BlkCryptoProfileOptions) {
    const { slotCount, llOps = {}, dev = null } = options;
    checkSlots(slotCount, llOps);
    this.slotCount = slotCount;
    this.capabilities = new CryptoCapabilities(options);
    this.#keyslots = new KeyslotManager(layer, llOps, slotCount, dev);
    this.wrappedKeys = new WrappedKeys(this.capabilities, llOps, this.#keyslots.hw);
  }

  /** @context hot. @kernel block/blk-crypto.c: blk_crypto_config_supported_natively */
  supports(config: CryptoConfig): boolean {
    return config === this.capabilities.lastSupported || this.#findSupported(config);
  }

  #findSupported(config: CryptoConfig): boolean {
    const flags = config.flags ?? CryptoCfgFlag.ALLOW_HW;
    if ((flags & CryptoCfgFlag.ALLOW_HW) === 0 || !this.capabilities.match(config)) return false;
    // A key never changes; another object may be given with other contents the next time.
    if (config instanceof BlkCryptoKey) this.capabilities.lastSupported = config;
    return true;
  }

  /**
   * Gets a slot that holds `waiter.key`. OK: `waiter.slot` is set (null on a profile without slots). KEYSLOT_PENDING:
   * `waiter.granted` will be called from a work item or when the driver is done. Else programming failed.
   *
   * @context hot, may wait: no (the waiter waits)
   * @kernel block/blk-crypto-profile.c: blk_crypto_get_keyslot
   */
  getKeyslot(waiter: KeyslotWaiter): KeyslotResult {
    return this.#keyslots.get(waiter);
  }

  /** @context any. @throws BlkBug when nobody holds the slot. @kernel block/blk-crypto-profile.c: blk_crypto_put_keyslot */
  putKeyslot(keyslot: Keyslot): void {
    this.#keyslots.put(keyslot);
  }

  /**
   * Removes a key from its slot. Not being in any is success. A key still used by I/O, or a driver's failure, is traced
   * as `blk_crypto_evict_key`; the profile forgets the key all the same.
   *
   * @kernel block/blk-crypto-profile.c: __blk_crypto_evict_key
   */
  evictKey(key: CryptoKeyRef): Promise<void> {
    return this.#keyslots.evict(key);
  }

  /**
   * Programs every slot that has a key again, for hardware that lost its keys in a reset. I/O that asks for a slot
   * meanwhile waits. A slot that fails is traced and forgets its key: its next user programs it anew. Does not wake the
   * device: this is part of waking it.
   *
   * @kernel block/blk-crypto-profile.c: blk_crypto_reprogram_all_keys
   */
  reprogramAllKeys(): Promise<void> {
    return this.#keyslots.reprogramAll();
  }

  /** The slots as they are now, for display: `formatSlotTable`. */
  slotTable(): KeyslotInfo[] {
    return this.#keyslots.table();
  }

  get tracepoints(): CryptoTracepoints {
    return this.#keyslots.tracepoints;
  }

  sysfsFiles(): SysfsFiles {
    return cryptoSysfsFiles(this.capabilities, this.slotCount);
  }

  /**
   * Forgets all keys; what the hardware still holds is the driver's to clear.
   *
   * @throws BlkBug while a low-level op runs, or I/O uses a slot or waits for one.
   * @kernel block/blk-crypto-profile.c: blk_crypto_profile_destroy
   */
  [Symbol.dispose](): void {
    this.#keyslots.destroy();
  }

  /** The same once the low-level ops under way have ended. @throws BlkBug while I/O uses a slot or waits for one. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keyslots.hw.whenIdle();
    this[Symbol.dispose]();
  }
}

/**
 * A profile that is destroyed when its device detaches, after the low-level ops under way have ended.
 *
 * @throws BlkError as the constructor does; then nothing is registered. ENODEV when the device is detached.
 * @kernel block/blk-crypto-profile.c: devm_blk_crypto_profile_init
 */
export function devmBlkCryptoProfileInit(
  device: Device,
  layer: BlockLayer,
  options: BlkCryptoProfileOptions,
): BlkCryptoProfile {
  const profile = new BlkCryptoProfile(layer, options);
  device.addAction(() => profile[Symbol.asyncDispose]());
  return profile;
}

/** The profile of a queue, or null when its device does not encrypt (or by something else than a `BlkCryptoProfile`). */
export function blkCryptoProfileOf(queue: RequestQueue): BlkCryptoProfile | null {
  return queue.cryptoProfile instanceof BlkCryptoProfile ? queue.cryptoProfile : null;
}

function checkSlots(slotCount: number, llOps: LlOps): void {
  if (!Number.isInteger(slotCount) || slotCount < 0) refuse(`slotCount is ${slotCount}, expected 0 or more`);
  if (slotCount > 0 && !(llOps.keyslotProgram && llOps.keyslotEvict)) {
    refuse(`${slotCount} keyslots need the ops keyslotProgram and keyslotEvict`);
  }
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "blk_crypto_profile_init", message);
}
