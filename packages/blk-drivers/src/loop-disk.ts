import { BIO_MAX_VECS, BlkMqQueue, type BlockLayer, GenDisk, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { LoopBacking, LoopCmd } from "./loop-backing.js";

export interface LoopDiskOptions {
  name: string;
  logicalBlockBytes: number;
  /** @default 128 */
  queueDepth?: number | undefined;
}

/** The disk over a backing. @throws BlkError EINVAL for options out of range. @kernel drivers/block/loop.c: loop_add */
export function newLoopDisk(layer: BlockLayer, backing: LoopBacking, options: LoopDiskOptions): GenDisk {
  const { name, logicalBlockBytes, queueDepth = 128 } = options;
  const queue = new BlkMqQueue(layer, {
    ops: {
      initRequest: (rq) => {
        rq.driverData = backing.newCmd(rq);
      },
      queueRq: (rq) => (rq.driverData as LoopCmd).start(),
    },
    queueDepth,
    limits: { logicalBlockBytes, maxSegments: BIO_MAX_VECS, ...backing.limits(logicalBlockBytes) },
  });
  const wholeBlocks = Math.floor(backing.bytes / logicalBlockBytes);
  const sectorCount = wholeBlocks * (logicalBlockBytes / SECTOR_BYTES);
  return new GenDisk({ name, queue, sectorCount, readOnly: backing.readOnly });
}
