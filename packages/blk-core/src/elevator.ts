import type { Bio } from "./bio.js";
import type { BlkMqQueue } from "./blk-mq.js";
import type { BlkMqHwCtx } from "./blk-mq-hctx.js";
import type { BlkRequest } from "./blk-request.js";

/**
 * Keeps the requests of one queue that no driver has seen, merges bios into them, and says which is next.
 *
 * @kernel block/elevator.h: elevator_mq_ops
 */
export interface Elevator {
  /** Whether it has a say in each request; else one goes past it while it holds none. @kernel include/linux/blk-mq.h: RQF_USE_SCHED */
  readonly sorts: boolean;
  /** Merges a bio into a request held here; false when none fits. */
  mergeBio(bio: Bio, hctx: BlkMqHwCtx): boolean;
  /** Takes a request; one that merges into another is freed. */
  insert(rq: BlkRequest): void;
  /** The next request to issue, or null. It may be meant for another hardware queue than `hctx`, which has room. */
  dispatch(hctx: BlkMqHwCtx): BlkRequest | null;
  /** Whether `dispatch` would return a request. */
  hasWork(hctx: BlkMqHwCtx): boolean;
}

/** A kind of elevator, to choose for a queue. @kernel block/elevator.h: elevator_type */
export interface ElevatorType {
  /** As in `/sys/block/<disk>/queue/scheduler`. */
  readonly name: string;
  /** Requests for each hardware queue by default, given how many it takes at a time. */
  defaultNrRequests(queueDepth: number): number;
  create(queue: BlkMqQueue): Elevator;
}
