import type { BlkRequest } from "./blk-request.js";
import type { BlockDevice } from "./block-device.js";

/** A request for a bio of `bdev` starts. @context hot. @kernel block/blk-mq.c: blk_account_io_start */
export function accountStart(rq: BlkRequest, bdev: BlockDevice): void {
  if (!rq.queue.limits.ioStats) return;
  rq.part = bdev;
  bdev.stats.start(rq.opf, rq);
}

/** Its first `sectors` are done. @context hot. @kernel block/blk-mq.c: blk_account_io_completion */
export function accountCompletion(rq: BlkRequest, sectors: number): void {
  if (rq.part !== null) rq.part.stats.moved(rq.opf, sectors);
}

/** It ends, and its bios are about to. @context hot. @kernel block/blk-mq.c: blk_account_io_done */
export function accountDone(rq: BlkRequest): void {
  const part = rq.part;
  if (part === null) return;
  rq.part = null;
  part.stats.done(rq.opf, rq);
}

/** A bio joins it. @context hot. @kernel block/blk-merge.c: blk_account_io_merge_bio */
export function accountMergeBio(rq: BlkRequest): void {
  if (rq.part !== null) rq.part.stats.mergedBio(rq.opf);
}

/** `next` joins it: one request less, which took as long as the older of the two. @kernel block/blk-merge.c: blk_account_io_merge_request, attempt_merge */
export function accountMergeRequest(rq: BlkRequest, next: BlkRequest): void {
  if (next.part === null) return;
  next.part.stats.mergedRequest(next.opf);
  next.part = null;
  if (next.startMs < rq.startMs) rq.startMs = next.startMs;
}

/** A flush that started at `rq.startMs` ends. @kernel block/blk-flush.c: blk_account_io_flush */
export function accountFlush(rq: BlkRequest): void {
  const { disk, limits } = rq.queue;
  if (disk !== null && limits.ioStats) disk.part0.stats.flushed(rq);
}
