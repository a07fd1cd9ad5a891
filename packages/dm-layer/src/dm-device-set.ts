import type { BlockDevice } from "@inlinecrypt/blk-core";
import type { DmTableEntry } from "./dm-table-entry.js";

/** The devices of a table, each once, in order. */
export function devicesOf(entries: readonly DmTableEntry[]): Set<BlockDevice> {
  const devices = new Set<BlockDevice>();
  for (const { target } of entries) target.iterateDevices?.((bdev) => devices.add(bdev));
  return devices;
}
