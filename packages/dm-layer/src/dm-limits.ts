import {
  BlkError,
  type BlockDevice,
  type QueueLimits,
  SECTOR_BYTES,
  stackIntegrity,
  stackingLimits,
  stackLimits,
} from "@inlinecrypt/blk-core";
import { devicesOf } from "./dm-device-set.js";
import type { DmTableEntry } from "./dm-table-entry.js";
import { DmFeature } from "./dm-target.js";

/**
 * What a device with these targets can take: what all devices below can, and what the targets add.
 *
 * @throws BlkError EINVAL when a target reaches behind the end of a device, or does not lie on its logical blocks.
 * @kernel drivers/md/dm-table.c: dm_calculate_queue_limits, dm_table_set_restrictions
 */
export function calculateLimits(entries: readonly DmTableEntry[]): QueueLimits {
  const each = entries.map(targetLimits);
  const limits = each.reduce((stacked, target) => stackLimits(stacked, target, 0).limits, stackingLimits);
  checkTargetAlignment(entries, limits.logicalBlockBytes);
  return {
    ...limits,
    ...(!entries.every(takesDiscards) && {
      maxDiscardSectors: 0,
      discardGranularityBytes: 0,
      discardAlignmentBytes: 0,
    }),
    ...(!entries.every(takesWriteZeroes) && { maxWriteZeroesSectors: 0 }),
    integrity: stackIntegrity(each) ?? passedIntegrity(entries),
  };
}

/** Whether I/O made for one of them suits the other. */
export function sameLimits(a: QueueLimits, b: QueueLimits): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function targetLimits(entry: DmTableEntry): QueueLimits {
  let limits = stackingLimits;
  entry.target.iterateDevices?.((bdev, startSector) => {
    limits = stackLimits(limits, bdev.queue.limits, bdev.startSector + startSector).limits;
  });
  limits = entry.target.ioHints?.(limits) ?? limits;
  entry.target.iterateDevices?.((bdev, startSector, sectors) => {
    checkDeviceArea(entry, bdev, startSector, sectors, limits.logicalBlockBytes);
  });
  return limits;
}

/**
 * A mapped device has no size until its first table is live: devices on top may be loaded before that, and fail I/O until
 * then.
 *
 * @kernel drivers/md/dm-table.c: device_area_is_invalid
 */
function checkDeviceArea(
  entry: DmTableEntry,
  bdev: BlockDevice,
  startSector: number,
  sectors: number,
  blockBytes: number,
): void {
  if (bdev.sectorCount === 0) return;
  if (startSector + sectors > bdev.sectorCount) {
    refuse(entry, `sectors ${startSector} to ${startSector + sectors} of ${bdev.name}, which has ${bdev.sectorCount}`);
  }
  const blockSectors = blockBytes / SECTOR_BYTES;
  if (startSector % blockSectors !== 0 || sectors % blockSectors !== 0) {
    refuse(entry, `${sectors} sectors at ${startSector} of ${bdev.name}, whose logical block has ${blockBytes} bytes`);
  }
}

/** @throws BlkError EINVAL. @kernel drivers/md/dm-table.c: validate_hardware_logical_block_alignment */
export function checkTargetAlignment(entries: readonly DmTableEntry[], blockBytes: number): void {
  for (const entry of entries) {
    if (((entry.begin * SECTOR_BYTES) % blockBytes) + ((entry.sectors * SECTOR_BYTES) % blockBytes) === 0) continue;
    refuse(
      entry,
      `${entry.sectors} sectors from ${entry.begin}, where the table's logical block has ${blockBytes} bytes`,
    );
  }
}

/** @kernel drivers/md/dm-table.c: dm_table_supports_discards */
function takesDiscards(entry: DmTableEntry): boolean {
  const { numDiscardBios = 0, discardsSupported = false } = entry.target;
  if (numDiscardBios === 0) return false;
  return discardsSupported || deviceLimits([entry]).every(({ maxDiscardSectors }) => maxDiscardSectors > 0);
}

/** @kernel drivers/md/dm-table.c: dm_table_supports_write_zeroes */
function takesWriteZeroes(entry: DmTableEntry): boolean {
  if ((entry.target.numWriteZeroesBios ?? 0) === 0) return false;
  return deviceLimits([entry]).every(({ maxWriteZeroesSectors }) => maxWriteZeroesSectors > 0);
}

/** The protection information all devices have, where every target passes it. */
function passedIntegrity(entries: readonly DmTableEntry[]): QueueLimits["integrity"] {
  if (!entries.every((entry) => entry.hasFeature(DmFeature.PASSES_INTEGRITY))) return null;
  return stackIntegrity(deviceLimits(entries));
}

function deviceLimits(entries: readonly DmTableEntry[]): QueueLimits[] {
  return [...devicesOf(entries)].map(({ queue }) => queue.limits);
}

function refuse(entry: DmTableEntry, message: string): never {
  throw new BlkError("EINVAL", `dm-${entry.type.name}`, message);
}
