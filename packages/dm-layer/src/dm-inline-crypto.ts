import type { BlockLayer, RequestQueue } from "@inlinecrypt/blk-core";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { evictFromDevices, newDmCryptoProfile, tableCapabilities } from "./dm-crypto-profile.js";
import type { DmTable } from "./dm-table.js";
import { KeyTracker } from "./key-tracker.js";

/** Inline encryption of a mapped device, through all its tables: what it promises, and the keys that I/O has used. */
export class DmInlineCrypto implements AsyncDisposable {
  readonly keys: KeyTracker = new KeyTracker();
  readonly #layer: BlockLayer;
  readonly #liveTable: () => DmTable | null;
  /** The one that is registered; profiles of later tables only widen it. */
  #profile: BlkCryptoProfile | null = null;

  constructor(layer: BlockLayer, liveTable: () => DmTable | null) {
    this.#layer = layer;
    this.#liveTable = liveTable;
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

  /** Keys that I/O has used leave the devices that leave the table; nothing else would take them away. */
  async evictDropped(old: DmTable | null, table: DmTable | null): Promise<void> {
    const dropped = old?.devices() ?? new Set();
    for (const bdev of table?.devices() ?? []) dropped.delete(bdev);
    if (dropped.size === 0) return;
    for (const key of this.keys.keys()) await evictFromDevices(dropped, key);
  }

  /** Resolves when evictions and other ops under way have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#profile?.[Symbol.asyncDispose]();
  }
}
