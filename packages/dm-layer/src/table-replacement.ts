import { BlkError, BlkMqQueue, type RequestQueue } from "@inlinecrypt/blk-core";
import { blkCryptoHasCapabilities, blkCryptoProfileOf } from "@inlinecrypt/blk-crypto-profile";
import { tableCapabilities } from "./dm-crypto-profile.js";
import type { DmTable } from "./dm-table.js";
import type { DmTableEntry } from "./dm-table-entry.js";
import { DmFeature } from "./dm-target.js";

/**
 * Whether a mapped device of this name and queue may get a table in place of the live one.
 *
 * @throws BlkError EINVAL for one that takes I/O in another form than the first did, replaces an immutable target, or can
 * encrypt less than the device promises.
 * @kernel drivers/md/dm-ioctl.c: table_load
 */
export function checkReplacement(name: string, queue: RequestQueue, live: DmTable | null, table: DmTable): void {
  const refuse = (message: string): never => {
    throw new BlkError("EINVAL", name, message);
  };
  const requestBased = queue instanceof BlkMqQueue;
  if (table.requestBased !== null && table.requestBased !== requestBased) {
    refuse(`a table that takes ${requestBased ? "bios" : "requests"}, where the first took the other`);
  }
  const [entry] = live?.entries ?? [];
  if (entry?.hasFeature(DmFeature.IMMUTABLE) && !table.entries.every((next) => mayReplace(entry, next))) {
    refuse(`a table that replaces the immutable target ${entry.type.name}`);
  }
  if (!blkCryptoHasCapabilities(tableCapabilities(table), blkCryptoProfileOf(queue)?.capabilities ?? null)) {
    refuse("the table can encrypt less inline than the device does so far");
  }
}

function mayReplace(immutable: DmTableEntry, next: DmTableEntry): boolean {
  return next.type.name === immutable.type.name || next.hasFeature(DmFeature.WILDCARD);
}
