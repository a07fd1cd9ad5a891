import type { BlockDevice, BlockLayer, CryptoKeyRef, RequestQueue } from "@inlinecrypt/blk-core";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { evictFromDevices, newDmCryptoProfile, tableCapabilities } from "./dm-crypto-profile.js";
import type { DmTable } from "./dm-table.js";
import { KeyTracker } from "./key-tracker.js";

/** Whether I/O has used a key on a device, and may do so again. */
export type KeyUse = (bdev: BlockDevice, key: CryptoKeyRef) => boolean;

/** Inline encryption of a mapped device, through all its tables: what it promises, and the keys that I/O has used. */
export class DmInlineCrypto implements AsyncDisposable {
  readonly keys: KeyTracker = new KeyTracker();
  readonly #layer: BlockLayer;
  readonly #liveTable: () => DmTable | null;
  readonly #othersUse: KeyUse;
  /** The one that is registered; profiles of later tables only widen it. */
  #profile: BlkCryptoProfile | null = null;

  constructor(layer: BlockLayer, liveTable: () => DmTable | null, othersUse: KeyUse) {
    this.#layer = layer;
    this.#liveTable = liveTable;
    this.#othersUse = othersUse;
  }

  /** Whether I/O of this mapped device has used a key on a device that it maps to. */
  usesKey(bdev: BlockDevice, key: CryptoKeyRef): boolean {
    if (!this.keys.has(key)) return false;
    return [...(this.#liveTable()?.devices() ?? [])].some(({ queue }) => queue === bdev.queue);
  }

  /** The first profile is registered, later ones widen it. @kernel drivers/md/dm-table.c: dm_update_crypto_profile */
  promise(queue: RequestQueue, table: DmTable): void {
    const capabilities = tableCapabilities(table);
    // Without devices nothing encrypts: whatever those of later tables cannot do would be promised.
    if (capabilities === null || table.devices().size === 0) return;
    if (this.#profile !== null) return this.#profile.capabilities.update(capabilities);
    const profile = newDmCryptoProfile(this.#layer, capabilities, this.#liveTable, this.keys);
    if (queue.registerCryptoProfile(profile)) this.#profile = profile;
    else profile[Symbol.dispose]();
  }

  /**
   * Keys that I/O has used leave the devices that leave the table; nothing else would take them away. But those that other
   * mapped devices use there stay until these evict them: a key whose keyslot is in use would be left in it.
   */
  async evictDropped(old: DmTable | null, table: DmTable | null): Promise<void> {
    const keys = this.keys.keys();
    // Another device that goes meanwhile does not leave them to this one.
    if (table === null) this.keys.clear();
    const dropped = old?.devices() ?? new Set();
    for (const bdev of table?.devices() ?? []) dropped.delete(bdev);
    for (const key of keys) {
      const unused = [...dropped].filter((bdev) => !this.#othersUse(bdev, key));
      await evictFromDevices(unused, key);
    }
  }

  /** Resolves when evictions and other ops under way have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#profile?.[Symbol.asyncDispose]();
  }
}
