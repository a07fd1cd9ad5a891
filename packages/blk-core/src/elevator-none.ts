import type { Bio } from "./bio.js";
import { attemptBioMerge, MergeResult } from "./blk-merge.js";
import type { BlkMqHwCtx } from "./blk-mq-hctx.js";
import type { BlkRequest } from "./blk-request.js";
import type { Elevator, ElevatorType } from "./elevator.js";
import { RequestList } from "./request-list.js";

const { NONE, OK } = MergeResult;

/** Requests a new bio is compared with, the latest first. @kernel block/blk-merge.c: blk_bio_list_merge */
const MERGE_SEARCH_DEPTH = 8;

/**
 * First in, first out: no elevator at all, for devices that need none.
 *
 * @kernel block/blk-mq-sched.c: blk_mq_sched_bio_merge, blk_mq_do_dispatch_ctx
 */
export const noneElevator: ElevatorType = {
  name: "none",
  defaultNrRequests: (queueDepth) => queueDepth,
  create: (queue) => new NoneElevator(queue.tagSet.nrHwQueues),
};

class NoneElevator implements Elevator {
  readonly sorts = false;
  /** One list for each hardware queue. */
  readonly #lists: readonly RequestList[];

  constructor(nrHwQueues: number) {
    this.#lists = Array.from({ length: nrHwQueues }, () => new RequestList());
  }

  mergeBio(bio: Bio, hctx: BlkMqHwCtx): boolean {
    let rq = this.#lists[hctx.index]!.last;
    for (let depth = 0; rq !== null && depth < MERGE_SEARCH_DEPTH; depth++, rq = rq.prev) {
      const result = attemptBioMerge(rq, bio);
      if (result !== NONE) return result === OK;
    }
    return false;
  }

  insert(rq: BlkRequest): void {
    rq.queue.layer.tracepoints.blockRqInsert.emit?.(rq);
    this.#lists[rq.hctx.index]!.append(rq);
  }

  dispatch(hctx: BlkMqHwCtx): BlkRequest | null {
    return this.#lists[hctx.index]!.shift();
  }

  hasWork(hctx: BlkMqHwCtx): boolean {
    return this.#lists[hctx.index]!.first !== null;
  }
}
