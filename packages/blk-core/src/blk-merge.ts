import { type Bio, SECTOR_BYTES } from "./bio.js";
import { bioCryptCtxCompatible, bioCryptCtxMergeable } from "./bio-crypt-ctx.js";
import type { BlkRequest } from "./blk-request.js";
import { opfMergeable, opOf } from "./opf.js";

/** NONE: these two do not touch, look further. FAILED: they touch and must not merge, stop looking. */
export const MergeResult = { OK: 0, NONE: 1, FAILED: 2 } as const;
export type MergeResult = (typeof MergeResult)[keyof typeof MergeResult];

/**
 * Merges a bio into a request at its back or front if sectors, limits and crypto contexts allow.
 *
 * @kernel block/blk-merge.c: blk_attempt_bio_merge
 */
export function attemptBioMerge(rq: BlkRequest, bio: Bio): MergeResult {
  if (!rqMergeOk(rq, bio)) return MergeResult.NONE;
  if (rq.endSector === bio.sector) return attemptBackMerge(rq, bio);
  if (bio.endSector === rq.sector) return attemptFrontMerge(rq, bio);
  return MergeResult.NONE;
}

/** @kernel block/blk-merge.c: blk_rq_merge_ok */
function rqMergeOk(rq: BlkRequest, bio: Bio): boolean {
  if (!opfMergeable(rq.opf) || !opfMergeable(bio.opf) || opOf(rq.opf) !== opOf(bio.opf)) return false;
  return bioCryptCtxCompatible(rq.cryptCtx, bio.cryptCtx);
}

/** @kernel block/blk-merge.c: ll_back_merge_fn, bio_attempt_back_merge */
function attemptBackMerge(rq: BlkRequest, bio: Bio): MergeResult {
  if (!fitsLimits(rq, bio) || !bioCryptCtxMergeable(rq.cryptCtx, rq.bytes, bio.cryptCtx)) return MergeResult.FAILED;
  rq.bioTail!.next = bio;
  rq.bioTail = bio;
  addToRequest(rq, bio);
  bio.freeCryptCtx();
  return MergeResult.OK;
}

/** @kernel block/blk-merge.c: ll_front_merge_fn, bio_attempt_front_merge */
function attemptFrontMerge(rq: BlkRequest, bio: Bio): MergeResult {
  if (!fitsLimits(rq, bio) || !bioCryptCtxMergeable(bio.cryptCtx, bio.bytes, rq.cryptCtx)) return MergeResult.FAILED;
  bio.next = rq.bio;
  rq.bio = bio;
  rq.sector = bio.sector;
  if (rq.cryptCtx !== null) rq.cryptCtx.copyFrom(bio.cryptCtx!);
  addToRequest(rq, bio);
  return MergeResult.OK;
}

function fitsLimits(rq: BlkRequest, bio: Bio): boolean {
  const limits = rq.queue.limits;
  return (
    rq.bytes + bio.bytes <= limits.maxSectors * SECTOR_BYTES && rq.segmentCount + bio.segmentCount <= limits.maxSegments
  );
}

function addToRequest(rq: BlkRequest, bio: Bio): void {
  rq.bytes += bio.bytes;
  rq.segmentCount += bio.segmentCount;
}
