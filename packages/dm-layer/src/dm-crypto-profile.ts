import {
  BlkError,
  type BlockDevice,
  type BlockLayer,
  type CryptoKeyRef,
  MAX_BLOCK_BYTES,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import {
  type BlkCryptoKey,
  BlkCryptoProfile,
  blkCryptoProfileOf,
  CryptoCapabilities,
  cryptoModes,
  type WrappedKeyOps,
} from "@inlinecrypt/blk-crypto-profile";
import type { DmTable } from "./dm-table.js";
import type { DmTableEntry } from "./dm-table-entry.js";
import { DmFeature } from "./dm-target.js";
import type { KeyTracker } from "./key-tracker.js";

/**
 * What all devices of all targets can do, and none of it where a target does not pass encryption contexts through. Null
 * when no mode is left.
 *
 * A data unit that a target would cut in two is no part of it: where targets end, and at what places they cut I/O,
 * narrows it too. (The kernel cuts them.) What is left out, the fallback serves above the mapped device.
 *
 * @kernel drivers/md/dm-table.c: dm_table_construct_crypto_profile
 */
export function tableCapabilities(table: DmTable): CryptoCapabilities | null {
  const capabilities = CryptoCapabilities.all();
  for (const entry of table.entries) narrow(capabilities, entry);
  const hasMode = cryptoModes.some(({ num }) => capabilities.dataUnitMask(num) !== 0);
  return hasMode ? capabilities : null;
}

function narrow(capabilities: CryptoCapabilities, entry: DmTableEntry): void {
  const { target } = entry;
  if (!entry.hasFeature(DmFeature.PASSES_CRYPTO)) return capabilities.intersect(null);
  target.iterateDevices?.((bdev) => capabilities.intersect(blkCryptoProfileOf(bdev.queue)?.capabilities ?? null));
  if (target.cryptoCapabilities !== undefined) capabilities.intersect(target.cryptoCapabilities);
  capabilities.intersect(uncutDataUnits(entry));
}

/** All capabilities, for data units that fit between the places where the target cuts. */
function uncutDataUnits({ begin, sectors, target }: DmTableEntry): CryptoCapabilities {
  let bytes = MAX_BLOCK_BYTES;
  for (const place of [begin, sectors, target.maxIoSectors ?? 0]) {
    while ((place * SECTOR_BYTES) % bytes !== 0) bytes /= 2;
  }
  const all = CryptoCapabilities.all();
  if (bytes === MAX_BLOCK_BYTES) return all;
  const sizes = 2 * bytes - 1;
  return new CryptoCapabilities({
    modesSupported: Object.fromEntries(cryptoModes.map(({ name }) => [name, sizes])),
    maxDunBytesSupported: all.maxDunBytesSupported,
    keyTypesSupported: all.keyTypesSupported,
  });
}

/**
 * The profile of a mapped device: no keyslots, because the devices below have them. It passes on evictions and wrapped
 * keys.
 *
 * @kernel drivers/md/dm-table.c: dm_table_construct_crypto_profile
 */
export function newDmCryptoProfile(
  layer: BlockLayer,
  capabilities: CryptoCapabilities,
  liveTable: () => DmTable | null,
  keys: KeyTracker,
): BlkCryptoProfile {
  const keyslotEvict = async (key: BlkCryptoKey): Promise<void> => {
    keys.forget(key);
    await evictFromDevices(liveTable()?.devices() ?? [], key);
  };
  const profile = new BlkCryptoProfile(layer, {
    modesSupported: {},
    maxDunBytesSupported: 1,
    slotCount: 0,
    llOps: { keyslotEvict, ...wrappedKeyOps(liveTable) },
  });
  profile.capabilities.update(capabilities);
  return profile;
}

/**
 * Evicts a key from devices, one after the other. What fails on one its profile traces; it does not stop the rest. The
 * fallback is no device's: whoever evicts the key from the mapped device asks it.
 *
 * @kernel drivers/md/dm-table.c: dm_keyslot_evict_callback
 */
export async function evictFromDevices(devices: Iterable<BlockDevice>, key: CryptoKeyRef): Promise<void> {
  for (const { queue } of devices) await queue.cryptoProfile.evictKey(key);
}

/** @kernel drivers/md/dm-table.c: dm_exec_wrappedkey_op */
function wrappedKeyOps(liveTable: () => DmTable | null): WrappedKeyOps {
  const below = (op: string): WrappedKeyOps => firstProfile(liveTable(), op).wrappedKeys;
  return {
    deriveSwSecret: async (ephKey, swSecret) => below("derive_sw_secret").deriveSwSecret(ephKey, swSecret),
    importKey: async (rawKey, ltKey) => below("import_key").importKey(rawKey, ltKey),
    generateKey: async (ltKey) => below("generate_key").generateKey(ltKey),
    prepareKey: async (ltKey, ephKey) => below("prepare_key").prepareKey(ltKey, ephKey),
  };
}

/** The first device's of the first target that has one: all can do the same. */
function firstProfile(table: DmTable | null, op: string): BlkCryptoProfile {
  for (const bdev of table?.devices() ?? []) {
    const profile = blkCryptoProfileOf(bdev.queue);
    if (profile !== null) return profile;
    break;
  }
  throw new BlkError(
    "EOPNOTSUPP",
    `dm_${op}`,
    "the mapped device has no live table with a device that takes wrapped keys",
  );
}
