import { type Bio, SECTOR_BYTES } from "./bio.js";
import type { QueueLimits } from "./limits.js";
import { opOf, ReqOp } from "./opf.js";
import { BlkStatus } from "./status.js";

/** What `bytesWithinLimits` found: how much of the bio the device takes at once, or why none of it. */
export class SplitResult {
  /** Bytes from the start; all of the bio when no split is needed. */
  bytes = 0;
  segmentCount = 0;
  status: BlkStatus = BlkStatus.OK;

  set(status: BlkStatus, bytes: number, segmentCount: number): void {
    this.status = status;
    this.bytes = bytes;
    this.segmentCount = segmentCount;
  }
}

/**
 * Measures how much of a bio fits the limits of a queue, never cutting a data unit in two, and checks that its memory
 * is aligned to its data units.
 *
 * @kernel block/blk-merge.c: __bio_split_to_limits
 */
export function bytesWithinLimits(bio: Bio, limits: QueueLimits, result: SplitResult): void {
  switch (opOf(bio.opf)) {
    case ReqOp.DISCARD:
      return blocksWithinLimits(bio, limits.maxDiscardSectors, limits.discardGranularityBytes, result);
    case ReqOp.WRITE_ZEROES:
      return blocksWithinLimits(bio, limits.maxWriteZeroesSectors, limits.logicalBlockBytes, result);
    default:
      return dataWithinLimits(bio, limits, result);
  }
}

/** @kernel block/blk-merge.c: bio_split_discard, bio_split_write_zeroes */
function blocksWithinLimits(bio: Bio, maxSectors: number, granularityBytes: number, result: SplitResult): void {
  const maxBytes = Math.floor((maxSectors * SECTOR_BYTES) / granularityBytes) * granularityBytes;
  if (maxBytes === 0) return result.set(BlkStatus.NOTSUPP, 0, 0);
  result.set(BlkStatus.OK, Math.min(bio.bytes, maxBytes), 1);
}

/**
 * The alignment rule covers bios that need no split too, and a split point is aligned to the data unit, not only to
 * the logical block: the kernel misses both.
 *
 * @kernel block/blk-merge.c: bio_split_io_at, bio_split_alignment
 */
function dataWithinLimits(bio: Bio, limits: QueueLimits, result: SplitResult): void {
  const dataUnitBytes = bio.cryptCtx === null ? 1 : bio.cryptCtx.key!.dataUnitBytes;
  const alignBytes = Math.max(limits.logicalBlockBytes, dataUnitBytes);
  const maxBytes = limits.maxSectors * SECTOR_BYTES;
  let bytes = 0;
  let segmentCount = 0;
  let left = bio.bytes;
  for (let index = bio.vecIndex, done = bio.vecDone; left > 0; index++, done = 0) {
    const vec = bio.vecs[index]!;
    const vecBytes = Math.min(vec.bytes - done, left);
    if ((vec.offset + done) % dataUnitBytes !== 0 || vecBytes % dataUnitBytes !== 0) {
      return result.set(BlkStatus.INVAL, 0, 0);
    }
    left -= vecBytes;
    if (segmentCount === limits.maxSegments || bytes === maxBytes) continue;
    const segments = Math.min(Math.ceil(vecBytes / limits.maxSegmentBytes), limits.maxSegments - segmentCount);
    bytes = Math.min(bytes + Math.min(vecBytes, segments * limits.maxSegmentBytes), maxBytes);
    segmentCount += segments;
  }
  if (bytes < bio.bytes) bytes -= bytes % alignBytes;
  if (bytes === 0) return result.set(BlkStatus.INVAL, 0, 0);
  result.set(BlkStatus.OK, bytes, segmentCount);
}
