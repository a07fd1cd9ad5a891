import { BIO_MAX_BYTES, type Bio, SECTOR_BYTES, SECTOR_SHIFT } from "./bio.js";
import type { QueueLimits } from "./limits.js";
import { opOf, ReqOp } from "./opf.js";
import { BlkStatus } from "./status.js";

const { INVAL, NOTSUPP, OK } = BlkStatus;
const { DISCARD, WRITE, WRITE_ZEROES } = ReqOp;

/** What `bytesWithinLimits` found: how much of the bio the device takes at once, or why none of it. */
export class SplitResult {
  /** Bytes from the start; all of the bio when no split is needed. */
  bytes = 0;
  segmentCount = 0;
  status: BlkStatus = OK;

  set(status: BlkStatus, bytes: number, segmentCount: number): void {
    this.status = status;
    this.bytes = bytes;
    this.segmentCount = segmentCount;
  }
}

/**
 * Measures how much of a bio fits the limits of a queue, never cutting a data unit in two, and checks that its memory
 * is aligned to its data units and to the device's DMA alignment.
 *
 * @kernel block/blk-merge.c: __bio_split_to_limits
 */
export function bytesWithinLimits(bio: Bio, limits: QueueLimits, result: SplitResult): void {
  switch (opOf(bio.opf)) {
    case DISCARD:
      return discardWithinLimits(bio, limits, result);
    case WRITE_ZEROES:
      return writeZeroesWithinLimits(bio, limits, result);
    default:
      return dataWithinLimits(bio, limits, dataUnitBytesOf(bio), result);
  }
}

/**
 * Whole granules; a part ends where the next can start on a granule. A device may take less than a granule at a time:
 * the kernel then hands it all of the bio, and here it gets what it takes.
 *
 * @kernel block/blk-merge.c: bio_split_discard
 */
function discardWithinLimits(bio: Bio, limits: QueueLimits, result: SplitResult): void {
  const granularity = Math.max(limits.discardGranularityBytes / SECTOR_BYTES, 1);
  const maxSectors = maxDiscardSectors(limits, granularity);
  if (maxSectors === 0) return result.set(NOTSUPP, 0, 0);
  if (bio.sectors <= maxSectors) return result.set(OK, bio.bytes, 1);
  const alignment = limits.discardAlignmentBytes / SECTOR_BYTES;
  const overhang = (bio.sector + maxSectors + granularity - alignment) % granularity;
  result.set(OK, (overhang < maxSectors ? maxSectors - overhang : maxSectors) * SECTOR_BYTES, 1);
}

/** In granules or, where not even one fits, in logical blocks. @kernel block/blk-merge.c: bio_allowed_max_sectors */
function maxDiscardSectors(limits: QueueLimits, granularity: number): number {
  const maxSectors = Math.min(limits.maxDiscardSectors, BIO_MAX_BYTES >>> SECTOR_SHIFT);
  const unit = maxSectors < granularity ? limits.logicalBlockBytes / SECTOR_BYTES : granularity;
  return maxSectors - (maxSectors % unit);
}

/** @kernel block/blk-merge.c: bio_split_write_zeroes */
function writeZeroesWithinLimits(bio: Bio, limits: QueueLimits, result: SplitResult): void {
  const maxBytes = limits.maxWriteZeroesSectors * SECTOR_BYTES;
  const wholeBlocks = maxBytes - (maxBytes % limits.logicalBlockBytes);
  if (wholeBlocks === 0) return result.set(NOTSUPP, 0, 0);
  result.set(OK, Math.min(bio.bytes, wholeBlocks), 1);
}

/**
 * Most bios are a read or write of one piece of memory that the device takes at once: they need no walk. False for those
 * that have to be measured.
 *
 * @context hot
 */
export function fitsAsItIs(bio: Bio, limits: QueueLimits): boolean {
  const { bytes, vecDone } = bio;
  if (bytes === 0 || opOf(bio.opf) > WRITE) return false;
  const vec = bio.vecs[bio.vecIndex]!;
  const start = vec.offset + vecDone;
  if (bytes > vec.bytes - vecDone || bytes > limits.maxSegmentBytes || bytes > limits.maxSectors * SECTOR_BYTES)
    return false;
  return (
    start + bytes <= limits.segmentBoundaryBytes &&
    ((start | bytes) & memoryAlignMask(limits, dataUnitBytesOf(bio))) === 0
  );
}

function memoryAlignMask(limits: QueueLimits, dataUnitBytes: number): number {
  return Math.max(dataUnitBytes, limits.dmaAlignmentBytes) - 1;
}

function dataUnitBytesOf(bio: Bio): number {
  return bio.cryptCtx === null ? 1 : bio.cryptCtx.key!.dataUnitBytes;
}

/**
 * The alignment rule covers bios that need no split too, and a split point is aligned to the data unit, not only to
 * the logical block: the kernel misses both.
 *
 * @kernel block/blk-merge.c: bio_split_io_at, bio_split_alignment
 */
export function dataWithinLimits(bio: Bio, limits: QueueLimits, dataUnitBytes: number, result: SplitResult): void {
  const alignMask = memoryAlignMask(limits, dataUnitBytes);
  const maxBytes = limits.maxSectors * SECTOR_BYTES;
  let bytes = 0;
  let segmentCount = 0;
  let left = bio.bytes;
  for (let index = bio.vecIndex, done = bio.vecDone; left > 0; index++, done = 0) {
    const vec = bio.vecs[index]!;
    const start = vec.offset + done;
    const vecBytes = Math.min(vec.bytes - done, left);
    if (((start | vecBytes) & alignMask) !== 0) return result.set(INVAL, 0, 0);
    left -= vecBytes;
    // Once one limit is reached, what follows is only checked.
    for (let at = 0; at < vecBytes && segmentCount < limits.maxSegments && bytes < maxBytes; segmentCount++) {
      const segmentBytes = Math.min(maxSegmentBytesAt(limits, start + at), vecBytes - at, maxBytes - bytes);
      at += segmentBytes;
      bytes += segmentBytes;
    }
  }
  if (bytes < bio.bytes) bytes -= bytes % Math.max(limits.logicalBlockBytes, dataUnitBytes);
  if (bytes === 0) return result.set(INVAL, 0, 0);
  result.set(OK, bytes, segmentCount);
}

/** How many segments what is left of a bio with memory has. @kernel block/blk-merge.c: blk_recalc_rq_segments */
export function countSegments(bio: Bio, limits: QueueLimits): number {
  let segmentCount = 0;
  let left = bio.bytes;
  for (let index = bio.vecIndex, done = bio.vecDone; left > 0; index++, done = 0) {
    const vec = bio.vecs[index]!;
    const vecBytes = Math.min(vec.bytes - done, left);
    for (let at = 0; at < vecBytes; segmentCount++) at += maxSegmentBytesAt(limits, vec.offset + done + at);
    left -= vecBytes;
  }
  return segmentCount;
}

/** Up to the next boundary that no segment crosses. @kernel block/blk-merge.c: get_max_segment_size */
function maxSegmentBytesAt(limits: QueueLimits, address: number): number {
  const { segmentBoundaryBytes } = limits;
  // Memory mostly ends before the first boundary, and `%` of numbers beyond 32 bits is slow.
  const offset = address < segmentBoundaryBytes ? address : address % segmentBoundaryBytes;
  return Math.min(limits.maxSegmentBytes, segmentBoundaryBytes - offset);
}
