import type { BlkRequest } from "./blk-request.js";
import type { BlockDevice } from "./block-device.js";
import type { CountedIo } from "./io-counts.js";

/**
 * I/O to `bdev` starts: a request for a bio of it, or whatever its bio-based driver calls one I/O.
 *
 * @context hot
 * @kernel block/blk-mq.c: blk_account_io_start; block/blk-core.c: bio_start_io_acct
 */
export function accountStart(io: CountedIo, bdev: BlockDevice, opf: number): void {
  if (!bdev.queue.limits.ioStats) return;
  const counts = bdev.stats.countsOf(opf);
  io.counts = counts;
  counts.start(io);
}

/** Its first `sectors` are done. @context hot. @kernel block/blk-mq.c: blk_account_io_completion */
export function accountCompletion(io: CountedIo, sectors: number): void {
  if (io.counts !== null) io.counts.moved(sectors);
}

/** It ends. @context hot. @kernel block/blk-mq.c: blk_account_io_done */
export function accountDone(io: CountedIo): void {
  const counts = io.counts;
  if (counts === null) return;
  io.counts = null;
  counts.done(io);
}

/** All `sectors` of it are done, and it ends. @context hot. @kernel block/blk-core.c: bio_end_io_acct */
export function accountEnd(io: CountedIo, sectors: number): void {
  accountCompletion(io, sectors);
  accountDone(io);
}

/** A bio joins it. @context hot. @kernel block/blk-merge.c: blk_account_io_merge_bio */
export function accountMergeBio(rq: BlkRequest): void {
  if (rq.counts !== null) rq.counts.mergedBio();
}

/** `next` joins it: one request less, which took as long as the older of the two. @kernel block/blk-merge.c: blk_account_io_merge_request, attempt_merge */
export function accountMergeRequest(rq: BlkRequest, next: BlkRequest): void {
  if (next.counts === null) return;
  next.counts.mergedRequest();
  next.counts = null;
  if (next.startMs < rq.startMs) rq.startMs = next.startMs;
}

/** A flush that started at `rq.startMs` ends. @kernel block/blk-flush.c: blk_account_io_flush */
export function accountFlush(rq: BlkRequest): void {
  const { disk, limits } = rq.queue;
  if (disk !== null && limits.ioStats) disk.part0.stats.flushed(rq);
}
