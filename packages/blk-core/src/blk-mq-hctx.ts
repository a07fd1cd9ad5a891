import type { BlkMqQueue } from "./blk-mq.js";
import { RequestPool } from "./blk-mq-request-pool.js";
import { type BlkMqTags, TagUser } from "./blk-mq-tag.js";
import { type BlkRequest, RequestState } from "./blk-request.js";
import type { Elevator } from "./elevator.js";
import { Timer } from "./executor.js";
import { RequestList } from "./request-list.js";
import { BlkStatus } from "./status.js";
import { blkIntegrityPrepare } from "./t10-pi.js";
import { WaitingBios } from "./waiting-bios.js";

const { DEV_RESOURCE, OK, RESOURCE } = BlkStatus;
const { IDLE, IN_FLIGHT } = RequestState;

/** When to offer a refused request again if no completion does. @kernel block/blk-mq.c: BLK_MQ_RESOURCE_DELAY */
const RESOURCE_DELAY_MS = 3;

/**
 * One hardware queue of a device, as one block queue sees it: what is on the way to it, and the tags in use.
 *
 * @kernel include/linux/blk-mq.h: blk_mq_hw_ctx
 */
export class BlkMqHwCtx {
  /** 0 to nrHwQueues - 1. */
  readonly index: number;
  /** Requests that go before the elevator's: refused by the driver, back from it, or not to be sorted at all. */
  readonly dispatch: RequestList = new RequestList();
  /** Requests for what goes this way. */
  readonly requests: RequestPool;
  /** Bios that go this way and cannot yet. */
  readonly waiting: WaitingBios;
  readonly #queue: BlkMqQueue;
  readonly #tags: BlkMqTags;
  readonly #tagUser = new TagUser(() => this.#queue.run());
  readonly #resourceTimer = new Timer(() => this.#queue.run());
  /** The driver has been told that more follows. */
  #uncommitted = false;

  constructor(queue: BlkMqQueue, index: number) {
    this.#queue = queue;
    this.index = index;
    this.requests = new RequestPool(queue, this);
    this.waiting = new WaitingBios(queue.layer.executor, () => queue.resumeWaiting(this));
    this.#tags = queue.tagSet.tags[index]!;
  }

  /** Requests of this block queue that the driver owns, here. */
  get inFlight(): number {
    return this.#tagUser.held;
  }

  /** Offers requests to the driver until it refuses one, tags run out, or none is left. @kernel block/blk-mq-sched.c: __blk_mq_sched_dispatch_requests */
  run(elevator: Elevator): void {
    for (let rq = this.#next(elevator); rq !== null; rq = this.#next(elevator)) {
      const owner = rq.hctx;
      if (owner !== this && owner.dispatch.first !== null) return owner.dispatch.append(rq);
      if (!owner.issue(rq, elevator)) return;
    }
  }

  /**
   * Offers one request to the driver. False when it has to wait, in front of all others.
   *
   * @kernel block/blk-mq.c: blk_mq_dispatch_rq_list, blk_mq_try_issue_directly
   */
  issue(rq: BlkRequest, elevator: Elevator): boolean {
    rq.tag = this.#tags.tryGet(this.#tagUser);
    if (rq.tag < 0) {
      this.dispatch.prepend(rq);
      this.#tags.wait(this.#tagUser);
      return false;
    }
    const last = !this.hasWork(elevator);
    const status = this.#start(rq, last);
    if (status !== OK) return this.#refused(rq, status);
    this.#uncommitted = !last;
    return true;
  }

  /** Tells the driver that what it was told to expect does not come. */
  commit(): void {
    if (!this.#uncommitted) return;
    this.#uncommitted = false;
    this.#queue.ops.commitRqs?.(this.index);
  }

  /** Whether requests wait that go before a new one. */
  hasWork(elevator: Elevator): boolean {
    return this.dispatch.first !== null || elevator.hasWork(this);
  }

  /**
   * Offers one request at once, past the elevator. Any status but OK: the driver has not got it, and nothing waits.
   *
   * @kernel block/blk-mq.c: blk_mq_request_issue_directly
   */
  issueDirectly(rq: BlkRequest): BlkStatus {
    rq.tag = this.#tags.tryGet(this.#tagUser);
    if (rq.tag < 0) return RESOURCE;
    const status = this.#start(rq, true);
    if (status !== OK) this.#takeBack(rq);
    return status;
  }

  /** @kernel block/blk-mq.c: blk_mq_put_driver_tag */
  putTag(rq: BlkRequest): void {
    const tag = rq.tag;
    if (tag < 0) return;
    rq.tag = -1;
    this.#tags.put(this.#tagUser, tag);
  }

  /** Forgets the timers; nothing may be on its way. */
  stop(): void {
    this.#queue.layer.executor.cancelTimer(this.#resourceTimer);
    this.waiting.stop();
  }

  #next(elevator: Elevator): BlkRequest | null {
    if (this.#queue.isQuiesced) return null;
    return this.dispatch.shift() ?? elevator.dispatch(this);
  }

  /** False when the driver lacks something now; with any other status the request has ended. */
  #refused(rq: BlkRequest, status: BlkStatus): boolean {
    if (status !== RESOURCE && status !== DEV_RESOURCE) {
      rq.complete(status);
      return true;
    }
    this.#queue.layer.tracepoints.blockRqRequeue.emit?.(rq);
    this.dispatch.prepend(rq);
    this.#takeBack(rq);
    this.#queue.layer.executor.addTimer(this.#resourceTimer, RESOURCE_DELAY_MS);
    return false;
  }

  /** The driver owns the request from here on. @kernel block/blk-mq.c: blk_mq_start_request */
  #start(rq: BlkRequest, last: boolean): BlkStatus {
    rq.state = IN_FLIGHT;
    rq.generation++;
    if (this.#queue.timeouts !== null) this.#queue.timeouts.start(rq);
    if (this.#queue.limits.integrity !== null) blkIntegrityPrepare(rq);
    this.#queue.layer.tracepoints.blockRqIssue.emit?.(rq);
    return this.#queue.ops.queueRq(rq, last);
  }

  #takeBack(rq: BlkRequest): void {
    rq.state = IDLE;
    this.putTag(rq);
  }
}
