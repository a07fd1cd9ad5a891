import type { Bio } from "./bio.js";
import type { BlkRequest } from "./blk-request.js";
import { dataWithinLimits, SplitResult } from "./blk-split.js";
import { BlkBug } from "./errors.js";
import { opIsPassthrough } from "./opf.js";

const NO_DATA_UNITS = 1;

/**
 * Adds a bio's memory to a driver's own command. Its encryption context, if it has one, is dropped: such a command is
 * not block I/O, so it has no data units. False when the device cannot take so much, or its memory lies where the device
 * cannot reach it; the bio is as it was.
 *
 * @throws BlkBug for a request that is not a driver's command.
 * @kernel block/blk-map.c: blk_rq_append_bio
 */
export function rqAppendBio(rq: BlkRequest, bio: Bio): boolean {
  if (!opIsPassthrough(rq.opf)) throw new BlkBug("a bio is appended to a request of the block layer's");
  const { limits } = rq.queue;
  const fit = new SplitResult();
  if (bio.bytes > 0) dataWithinLimits(bio, limits, NO_DATA_UNITS, fit);
  if (fit.bytes < bio.bytes || rq.sectors + bio.sectors > limits.maxSectors) return false;
  if (rq.segmentCount + fit.segmentCount > limits.maxSegments) return false;
  bio.freeCryptCtx();
  if (rq.bioTail === null) rq.bio = bio;
  else rq.bioTail.next = bio;
  rq.bioTail = bio;
  rq.bytes += bio.bytes;
  rq.segmentCount += fit.segmentCount;
  return true;
}

/**
 * Sends a driver's own command from `tryAllocRequest` to the driver, past the elevator. `rq.onEnd` hears of its end.
 *
 * @kernel block/blk-mq.c: blk_execute_rq_nowait
 */
export function executeRqNowait(rq: BlkRequest): void {
  rq.queue.insertBypass(rq);
  rq.queue.run();
}
