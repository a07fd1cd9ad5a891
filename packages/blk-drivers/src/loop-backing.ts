import type { BlkRequest, BlkStatus, QueueLimitsInput } from "@inlinecrypt/blk-core";

/** The driver's side of a request, made once for each and kept. @kernel drivers/block/loop.c: loop_cmd */
export interface LoopCmd {
  /** Starts the request, which then completes by itself, or says at once why not. */
  start(): BlkStatus;
}

/** What holds the data of a loop device. @kernel drivers/block/loop.c: loop_device.lo_backing_file */
export interface LoopBacking {
  /** For messages. */
  readonly name: string;
  /** Size; the end that fills no logical block is not used. */
  readonly bytes: number;
  readonly readOnly: boolean;
  /** What it can do, for disks of this logical block. */
  limits(logicalBlockBytes: number): QueueLimitsInput;
  newCmd(rq: BlkRequest): LoopCmd;
  /**
   * Puts everything on the medium and lets the backing go; the device is idle.
   *
   * @throws BlkError when data was lost; the backing is let go all the same.
   */
  close(): Promise<void>;
}
