import {
  BioSegments,
  type BioSet,
  type BlkRequest,
  type BlockDevice,
  type QueueLimitsInput,
} from "@inlinecrypt/blk-core";
import type { LoopBacking } from "./loop-backing.js";
import { LoopBdevCmd } from "./loop-bdev-cmd.js";

/** More than a driver can have of one queue at a time: each has a bio. */
const MAX_REQUESTS = 10240;

/** A loop device's data on another block device: what its requests share. */
export class LoopBdevBacking implements LoopBacking {
  readonly bdev: BlockDevice;
  readonly readOnly: boolean;
  /** Its own, so that loop devices on each other never wait for the same bios; made as they are needed. */
  readonly bios: BioSet;
  /** Walks the request being started; requests start one after the other. */
  readonly segments: BioSegments = new BioSegments();
  #dirty = false;

  constructor(bdev: BlockDevice, readOnly: boolean) {
    this.bdev = bdev;
    this.readOnly = readOnly || bdev.readOnly;
    this.bios = bdev.queue.layer.newBioSet(this.name, MAX_REQUESTS);
  }

  get name(): string {
    return `loop over ${this.bdev.name}`;
  }

  get bytes(): number {
    return this.bdev.bytes;
  }

  /** Those of the device below: what it cannot do, a loop device cannot either. It makes bios of any size fit itself. */
  limits(logicalBlockBytes: number): QueueLimitsInput {
    const below = this.bdev.queue.limits;
    return {
      physicalBlockBytes: Math.max(below.physicalBlockBytes, logicalBlockBytes),
      ioMinBytes: Math.max(below.ioMinBytes, logicalBlockBytes),
      dmaAlignmentBytes: below.dmaAlignmentBytes,
      maxDiscardSectors: below.maxDiscardSectors,
      discardGranularityBytes: below.discardGranularityBytes,
      discardAlignmentBytes: below.discardAlignmentBytes,
      maxWriteZeroesSectors: below.maxWriteZeroesSectors,
      writeCache: below.writeCache,
      fua: below.fua,
    };
  }

  newCmd(rq: BlkRequest): LoopBdevCmd {
    return new LoopBdevCmd(rq, this);
  }

  /** The device has changed since the last flush started. */
  markDirty(): void {
    this.#dirty = true;
  }

  flushStarts(): void {
    this.#dirty = false;
  }

  /** The device below stays open: it is its owner's. */
  async close(): Promise<void> {
    if (this.#dirty) await this.bdev.flush();
  }
}
