import type { Bio } from "./bio.js";
import type { BlkMqTagSet } from "./blk-mq-tag.js";
import type { BlkRequest } from "./blk-request.js";
import type { EhAction } from "./blk-timeout.js";
import type { ElevatorType } from "./elevator.js";
import type { QueueLimitsInput } from "./limits.js";
import type { BlkStatus } from "./status.js";

/** What a request-based driver implements. @kernel include/linux/blk-mq.h: blk_mq_ops */
export interface BlkMqOps {
  /**
   * Starts a request and returns OK; the driver later calls `rq.complete` once, or does so before returning.
   * RESOURCE or DEV_RESOURCE: not now, offer it again after a completion or a short while. Any other status ends it.
   * `last` is false while more requests for this hardware queue follow at once.
   */
  queueRq(rq: BlkRequest, last: boolean): BlkStatus;
  /** More requests were announced and do not come: start what was collected for that hardware queue. */
  commitRqs?(hctxIndex: number): void;
  /** Called once for each request when the queue makes it; may set `rq.driverData`. */
  initRequest?(rq: BlkRequest): void;
  /**
   * Called when the driver has owned a request for too long. DONE: the driver has completed the request or will soon.
   * RESET_TIMER: give it as long again. Without this, requests may take for ever.
   */
  timeout?(rq: BlkRequest): EhAction;
  /**
   * The hardware queue for a bio, 0 to nrHwQueues - 1. Without this all bios take the first: the kernel maps CPUs to
   * hardware queues, and here there is one CPU.
   */
  mapQueue?(bio: Bio): number;
}

export interface BlkMqQueueOptions {
  ops: BlkMqOps;
  limits?: QueueLimitsInput;
  /**
   * Requests the device takes at a time, 1 to 10240; further ones wait. Not together with `tagSet`.
   *
   * @default 128
   */
  queueDepth?: number;
  /** What the device takes, when other queues share it or it has several hardware queues. */
  tagSet?: BlkMqTagSet;
  /**
   * Requests for each hardware queue at a time, waiting ones included, 1 to 10240; further bios wait.
   *
   * @default what the elevator says: with `none`, as many as the hardware queue takes
   */
  nrRequests?: number;
  /** @default noneElevator */
  elevator?: ElevatorType;
  /**
   * How long a driver with `ops.timeout` may own a request, milliseconds, 1 to 2^31 - 1.
   *
   * @default 30000
   */
  timeoutMs?: number;
}
