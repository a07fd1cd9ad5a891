import { BIO_MAX_BYTES, type Bio, SECTOR_BYTES } from "./bio.js";
import { bioCryptCtxCompatible, bioCryptCtxMergeable } from "./bio-crypt-ctx.js";
import { bioIntegrityMergeable } from "./bio-integrity.js";
import { accountMergeBio, accountMergeRequest } from "./blk-account.js";
import type { BlkRequest } from "./blk-request.js";
import { opfMergeable, opOf, ReqFlag, ReqOp } from "./opf.js";

/** NONE: these two do not touch, look further. FAILED: they touch and must not merge, stop looking. */
export const MergeResult = { OK: 0, NONE: 1, FAILED: 2 } as const;
export type MergeResult = (typeof MergeResult)[keyof typeof MergeResult];

/** Where a bio touches a request that it may share. @kernel include/linux/elevator.h: enum elv_merge */
export const MergeSide = { NONE: 0, BACK: 1, FRONT: 2 } as const;
export type MergeSide = (typeof MergeSide)[keyof typeof MergeSide];

/**
 * Merges a bio into a request at its back or front if sectors, limits and crypto contexts allow.
 *
 * @kernel block/blk-merge.c: blk_attempt_bio_merge
 */
export function attemptBioMerge(rq: BlkRequest, bio: Bio): MergeResult {
  switch (mergeSide(rq, bio)) {
    case MergeSide.BACK:
      return attemptBackMerge(rq, bio);
    case MergeSide.FRONT:
      return attemptFrontMerge(rq, bio);
    default:
      return MergeResult.NONE;
  }
}

/** @kernel block/blk-merge.c: blk_rq_merge_ok, blk_try_merge */
export function mergeSide(rq: BlkRequest, bio: Bio): MergeSide {
  if (!rq.isMergeable || !opfMergeable(bio.opf) || opOf(rq.opf) !== opOf(bio.opf)) return MergeSide.NONE;
  if (!bioCryptCtxCompatible(rq.cryptCtx, bio.cryptCtx) || !bioIntegrityMergeable(rq.bio!, bio)) return MergeSide.NONE;
  if (rq.endSector === bio.sector) return MergeSide.BACK;
  return bio.endSector === rq.sector ? MergeSide.FRONT : MergeSide.NONE;
}

/** OK or FAILED, for a bio of `MergeSide.BACK`. @kernel block/blk-merge.c: ll_back_merge_fn, bio_attempt_back_merge */
export function attemptBackMerge(rq: BlkRequest, bio: Bio): MergeResult {
  if (!isDiscard(rq) && !bioCryptCtxMergeable(rq.cryptCtx, rq.bytes, bio.cryptCtx)) return MergeResult.FAILED;
  if (!fitsLimits(rq, bio.bytes, bio.segmentCount)) return markFull(rq);
  rq.queue.layer.tracepoints.blockBioBackmerge.emit?.(bio, rq);
  accountMergeBio(rq);
  rq.bioTail!.next = bio;
  rq.bioTail = bio;
  grow(rq, bio.bytes, bio.segmentCount);
  bio.freeCryptCtx();
  return MergeResult.OK;
}

/** OK or FAILED, for a bio of `MergeSide.FRONT`. @kernel block/blk-merge.c: ll_front_merge_fn, bio_attempt_front_merge */
export function attemptFrontMerge(rq: BlkRequest, bio: Bio): MergeResult {
  if (!isDiscard(rq) && !bioCryptCtxMergeable(bio.cryptCtx, bio.bytes, rq.cryptCtx)) return MergeResult.FAILED;
  if (!fitsLimits(rq, bio.bytes, bio.segmentCount)) return markFull(rq);
  rq.queue.layer.tracepoints.blockBioFrontmerge.emit?.(bio, rq);
  accountMergeBio(rq);
  bio.next = rq.bio;
  rq.bio = bio;
  rq.sector = bio.sector;
  if (rq.cryptCtx !== null) rq.cryptCtx.copyFrom(bio.cryptCtx!);
  grow(rq, bio.bytes, bio.segmentCount);
  return MergeResult.OK;
}

/**
 * Merges the request `next` into `rq`, if it starts where `rq` ends and they may share. `next` is then empty, without
 * its keyslot, and the caller's to free.
 *
 * @kernel block/blk-merge.c: attempt_merge, ll_merge_requests_fn
 */
export function attemptMerge(rq: BlkRequest, next: BlkRequest): boolean {
  if (rq.endSector !== next.sector || opOf(rq.opf) !== opOf(next.opf)) return false;
  if (!rq.isMergeable || !next.isMergeable || !bioIntegrityMergeable(rq.bio!, next.bio!)) return false;
  if (!isDiscard(rq) && !bioCryptCtxMergeable(rq.cryptCtx, rq.bytes, next.cryptCtx)) return false;
  if (!fitsLimits(rq, next.bytes, next.segmentCount)) return false;
  rq.bioTail!.next = next.bio;
  rq.bioTail = next.bioTail;
  grow(rq, next.bytes, next.segmentCount);
  accountMergeRequest(rq, next);
  rq.queue.layer.tracepoints.blockRqMerge.emit?.(next);
  next.giveAwayBios();
  return true;
}

/** DUNs mean nothing where no data moves. */
function isDiscard(rq: BlkRequest): boolean {
  return opOf(rq.opf) === ReqOp.DISCARD;
}

/** Sectors are counted in 32 bits of bytes, in requests as in bios. @kernel block/blk.h: blk_queue_get_max_sectors */
function fitsLimits(rq: BlkRequest, bytes: number, segmentCount: number): boolean {
  const { maxDiscardSectors, maxSectors, maxSegments } = rq.queue.limits;
  if (rq.bytes + bytes > BIO_MAX_BYTES) return false;
  if (isDiscard(rq)) return rq.bytes + bytes <= maxDiscardSectors * SECTOR_BYTES;
  return rq.bytes + bytes <= maxSectors * SECTOR_BYTES && rq.segmentCount + segmentCount <= maxSegments;
}

/** A request at its limits is not compared again. @kernel block/blk-merge.c: req_set_nomerge */
function markFull(rq: BlkRequest): MergeResult {
  rq.opf |= ReqFlag.NOMERGE;
  return MergeResult.FAILED;
}

/** A discard is one range, however many bios ask for it. */
function grow(rq: BlkRequest, bytes: number, segmentCount: number): void {
  rq.bytes += bytes;
  if (!isDiscard(rq)) rq.segmentCount += segmentCount;
}
