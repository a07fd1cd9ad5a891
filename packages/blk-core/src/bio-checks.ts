import { type Bio, SECTOR_SHIFT } from "./bio.js";
import type { QueueLimits } from "./limits.js";
import { opIsFlush, opIsPlain, opOf, ReqFlag, ReqOp } from "./opf.js";
import { BlkStatus } from "./status.js";

const { IOERR, NOTSUPP, OK } = BlkStatus;
const { DISCARD, WRITE, WRITE_ZEROES } = ReqOp;
const { FUA, PREFLUSH } = ReqFlag;

/** Whether a bio with bytes is more or less than whole logical blocks. @kernel block/blk-mq.c: bio_unaligned */
export function bioUnaligned(bio: Bio, limits: QueueLimits): boolean {
  const blockMask = limits.logicalBlockBytes - 1;
  return (bio.bytes & blockMask) !== 0 || (bio.sector & (blockMask >> SECTOR_SHIFT)) !== 0;
}

/**
 * What asks for a flush, or moves no data. On a device without a write cache nobody has to be flushed; but a frozen queue
 * may have one before its bios go on.
 *
 * @kernel block/blk-core.c: submit_bio_noacct
 */
export function checkOperation(bio: Bio): BlkStatus {
  const { limits, isFrozen } = bio.bdev!.queue;
  if (opIsFlush(bio.opf)) {
    if (opOf(bio.opf) !== WRITE) return IOERR;
    if (!limits.writeCache && !isFrozen) bio.opf &= ~(PREFLUSH | FUA);
  }
  switch (opOf(bio.opf)) {
    case WRITE:
      return OK;
    case DISCARD:
      return limits.maxDiscardSectors > 0 ? OK : NOTSUPP;
    case WRITE_ZEROES:
      return limits.maxWriteZeroesSectors > 0 ? OK : NOTSUPP;
    default:
      return NOTSUPP;
  }
}

/** What follows from `status`. False when the bio has ended: with an error, or because it asks for nothing. */
export function mayGoOn(bio: Bio, status: BlkStatus): boolean {
  if (status === OK && (bio.bytes > 0 || (bio.opf & PREFLUSH) !== 0)) return true;
  bio.endIoWith(status);
  return false;
}

/** For a bio that has waited while limits may have changed. */
export function checkAgain(bio: Bio): BlkStatus {
  if (bio.bytes > 0 && bioUnaligned(bio, bio.bdev!.queue.limits)) return IOERR;
  return opIsPlain(bio.opf) ? OK : checkOperation(bio);
}
