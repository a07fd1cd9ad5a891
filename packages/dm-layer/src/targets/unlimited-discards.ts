import { type QueueLimits, SECTOR_BYTES } from "@inlinecrypt/blk-core";

/** Limits of a target that discards by doing nothing. @kernel drivers/md/dm-zero.c: zero_io_hints */
export const unlimitedDiscards: Pick<QueueLimits, "maxDiscardSectors" | "discardGranularityBytes"> = {
  maxDiscardSectors: 2 ** 32 - 1,
  discardGranularityBytes: SECTOR_BYTES,
};
