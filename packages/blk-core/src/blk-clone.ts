import type { Bio } from "./bio.js";
import type { BioSet } from "./bio-set.js";
import { accountDone, accountStart } from "./blk-account.js";
import { KEYSLOT_PENDING, type KeyslotResult } from "./blk-crypto.js";
import { type BlkRequest, RequestState } from "./blk-request.js";
import { BlkBug } from "./errors.js";
import { opOf, ReqOp } from "./opf.js";
import { BlkStatus } from "./status.js";

/** Prepares one bio of a clone: its device, how it ends. False gives up the whole clone. */
export type CloneBioSetup<Data> = (bio: Bio, source: Bio, data: Data) => boolean;

/**
 * Makes `clone`, fresh from `tryAllocRequest` of a lower device's queue, a copy of what `source` still has to do: a
 * clone of each bio, sharing its memory, with a context of its own. For stacking drivers that map whole requests.
 *
 * The clone's context is that of the source request, which is its first bio's; but a first bio that was merged has none
 * of its own left, and would make a plain request of encrypted data once those before it have ended.
 *
 * @returns OK, or RESOURCE when bios or contexts have run out (or `setup` said no): the clone is empty again.
 * @kernel block/blk-mq.c: blk_rq_prep_clone
 */
export function prepClone<Data>(
  clone: BlkRequest,
  source: BlkRequest,
  bioSet: BioSet,
  setup: CloneBioSetup<Data>,
  data: Data,
): BlkStatus {
  for (let bio = source.bio; bio !== null; bio = bio.next) {
    const cloned = bioSet.tryClone(bio);
    if (cloned === null) return giveUp(clone);
    appendBio(clone, cloned);
    if (!setup(cloned, bio, data)) return giveUp(clone);
  }
  clone.sector = source.sector;
  clone.bytes = source.bytes;
  clone.segmentCount = source.segmentCount;
  if (source.cryptCtx !== null) clone.setCryptCtx(source.cryptCtx);
  return BlkStatus.OK;
}

/** Puts all bios of a clone that has not been issued. The request stays the caller's. @kernel block/blk-mq.c: blk_rq_unprep_clone */
export function unprepClone(clone: BlkRequest): void {
  if (clone.state !== RequestState.IDLE) throw new BlkBug("a clone is taken apart that a driver owns");
  for (let bio = clone.bio; bio !== null; bio = clone.bio) {
    clone.bio = bio.next;
    bio.put();
  }
  clone.giveAwayBios();
}

/**
 * Issues a clone to its queue's driver at once: the elevator above has sorted it already. It gets a keyslot of that
 * queue's own profile, whatever slot the source holds. `onEnd` of the clone hears of its end.
 *
 * @param onInserted hears, once, when this returned KEYSLOT_PENDING: OK when the clone has been issued, or why not.
 * @returns OK: issued. KEYSLOT_PENDING: `onInserted` will be called. Any other status (the profile's, the driver's, or
 * RESOURCE for want of a tag): not issued, without a keyslot, and the caller's to insert again, or to take apart and free.
 * @kernel block/blk-mq.c: blk_insert_cloned_request
 */
export function insertClonedRequest(
  clone: BlkRequest,
  onInserted: (clone: BlkRequest, status: BlkStatus) => void,
): KeyslotResult {
  const status = checkAgainstLimits(clone);
  if (status !== BlkStatus.OK) return status;
  if (clone.cryptCtx !== null) {
    clone.onInserted = onInserted;
    const result = clone.getKeyslot();
    if (result === KEYSLOT_PENDING) return result;
    clone.onInserted = null;
    if (result !== BlkStatus.OK) return result;
  }
  return issueClone(clone);
}

/** Issues a clone that has its keyslot, if it needs one. With any status but OK it has none any more. */
export function issueClone(clone: BlkRequest): BlkStatus {
  const { queue } = clone;
  if (queue.disk !== null) accountStart(clone, queue.disk.part0, clone.opf);
  if (queue.isQuiesced) {
    queue.insertBypass(clone);
    return BlkStatus.OK;
  }
  const status = clone.hctx.issueDirectly(clone);
  if (status === BlkStatus.OK) return status;
  accountDone(clone);
  clone.putKeyslot();
  return status;
}

/** The lower device may take less than the upper, and its segments may be others. @kernel block/blk-mq.c: blk_insert_cloned_request */
function checkAgainstLimits(clone: BlkRequest): BlkStatus {
  const maxSectors = maxSectorsFor(clone);
  if (clone.sectors > maxSectors) return maxSectors === 0 ? BlkStatus.NOTSUPP : BlkStatus.IOERR;
  clone.recountSegments();
  return clone.segmentCount > clone.queue.limits.maxSegments ? BlkStatus.IOERR : BlkStatus.OK;
}

function maxSectorsFor(clone: BlkRequest): number {
  const { limits } = clone.queue;
  switch (opOf(clone.opf)) {
    case ReqOp.DISCARD:
      return limits.maxDiscardSectors;
    case ReqOp.WRITE_ZEROES:
      return limits.maxWriteZeroesSectors;
    default:
      return limits.maxSectors;
  }
}

function appendBio(rq: BlkRequest, bio: Bio): void {
  if (rq.bioTail === null) rq.bio = bio;
  else rq.bioTail.next = bio;
  rq.bioTail = bio;
}

function giveUp(clone: BlkRequest): BlkStatus {
  unprepClone(clone);
  return BlkStatus.RESOURCE;
}
