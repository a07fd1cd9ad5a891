import type { BlkMqQueue } from "./blk-mq.js";
import type { BlkMqHwCtx } from "./blk-mq-hctx.js";
import { type BlkRequest, RequestState } from "./blk-request.js";
import { BlkError } from "./errors.js";

const { IDLE } = RequestState;

/** @kernel include/linux/blk-mq.h: BLK_MQ_MAX_DEPTH */
const MAX_REQUESTS = 10240;

/**
 * The requests of one hardware queue of a block queue: made once, reused for ever, at most `limit` of them in use.
 *
 * @kernel block/blk-mq.c: blk_mq_alloc_rqs
 */
export class RequestPool {
  readonly #queue: BlkMqQueue;
  readonly #hctx: BlkMqHwCtx;
  /** The free ones are the first `#pooled - #inUse`. */
  readonly #free: BlkRequest[] = [];
  #limit = 0;
  #pooled = 0;
  #inUse = 0;

  constructor(queue: BlkMqQueue, hctx: BlkMqHwCtx) {
    this.#queue = queue;
    this.#hctx = hctx;
  }

  /** Most requests in use at a time. @kernel include/linux/blkdev.h: request_queue.nr_requests */
  get limit(): number {
    return this.#limit;
  }

  get hasFree(): boolean {
    return this.#inUse < this.#limit;
  }

  get anyInUse(): boolean {
    return this.#inUse > 0;
  }

  /** @throws BlkError EINVAL */
  setLimit(limit: number): void {
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_REQUESTS) {
      throw new BlkError("EINVAL", "nr_requests", `nrRequests is ${limit}, expected 1 to ${MAX_REQUESTS}`);
    }
    this.#limit = limit;
    for (; this.#pooled < limit; this.#pooled++) {
      this.#free[this.#pooled - this.#inUse] = this.#queue.newRequest(this.#hctx);
    }
  }

  /** @kernel block/blk-mq.c: __blk_mq_alloc_requests */
  tryGet(): BlkRequest | null {
    if (this.#inUse >= this.#limit) return null;
    this.#inUse++;
    const rq = this.#free[this.#pooled - this.#inUse]!;
    rq.state = IDLE;
    return rq;
  }

  put(rq: BlkRequest): void {
    rq.reset();
    this.#free[this.#pooled - this.#inUse] = rq;
    this.#inUse--;
  }
}
