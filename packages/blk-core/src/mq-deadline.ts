import type { Bio } from "./bio.js";
import { attemptBackMerge, attemptFrontMerge, attemptMerge, MergeResult, MergeSide, mergeSide } from "./blk-merge.js";
import type { BlkRequest } from "./blk-request.js";
import type { Elevator, ElevatorType } from "./elevator.js";
import type { Executor } from "./executor.js";
import { expectCount, INT_MAX } from "./expect-count.js";
import { opIsWrite } from "./opf.js";
import { RequestList } from "./request-list.js";
import { RequestTree } from "./request-tree.js";

/** Settings of mq-deadline, as in `/sys/block/<disk>/queue/iosched`. */
export interface MqDeadlineOptions {
  /**
   * After this long a read goes before others, milliseconds, 0 to 2^31 - 1.
   *
   * @default 500
   */
  readExpireMs?: number;
  /**
   * The same for writes.
   *
   * @default 5000
   */
  writeExpireMs?: number;
  /**
   * Batches of reads that may go before waiting writes, 0 to 2^31 - 1.
   *
   * @default 2
   */
  writesStarved?: number;
  /**
   * Requests issued in sector order before deadlines are looked at, 0 to 2^31 - 1.
   *
   * @default 16
   */
  fifoBatch?: number;
  /**
   * Whether bios and requests are merged at the front of others too.
   *
   * @default true
   */
  frontMerges?: boolean;
}

const defaultSettings: Required<MqDeadlineOptions> = {
  readExpireMs: 500,
  writeExpireMs: 5000,
  writesStarved: 2,
  fifoBatch: 16,
  frontMerges: true,
};

/** Requests a queue has by default for each the device takes, at most 256. @kernel block/blk-mq-sched.c: blk_mq_init_sched */
const REQUESTS_PER_TAG = 2;
const MAX_DEPTH_COUNTED = 128;

/**
 * Sorts requests by sector, reads before writes, and lets none wait for ever.
 *
 * @throws BlkError EINVAL for a setting out of its range.
 * @kernel block/mq-deadline.c
 */
export function mqDeadline(options: MqDeadlineOptions = {}): ElevatorType {
  const settings = { ...defaultSettings, ...options };
  for (const name of ["readExpireMs", "writeExpireMs", "writesStarved", "fifoBatch"] as const) {
    expectCount("mq-deadline", name, settings[name], 0, INT_MAX);
  }
  return {
    name: "mq-deadline",
    defaultNrRequests: (queueDepth) => REQUESTS_PER_TAG * Math.min(queueDepth, MAX_DEPTH_COUNTED),
    create: (queue) => new MqDeadline(queue.layer.executor, settings),
  };
}

/** Requests of one direction, by sector and by age. @kernel block/mq-deadline.c: dd_per_prio */
class DirectionQueue {
  readonly sorted = new RequestTree();
  readonly fifo = new RequestList();
  readonly expireMs: number;
  /** Where the last request issued in this direction started. */
  latestSector = 0;

  constructor(expireMs: number) {
    this.expireMs = expireMs;
  }

  add(rq: BlkRequest): void {
    this.sorted.insert(rq);
    this.fifo.append(rq);
  }

  remove(rq: BlkRequest): void {
    this.sorted.remove(rq);
    this.fifo.remove(rq);
  }

  /** Goes on in sector order from the last one issued. @kernel block/mq-deadline.c: deadline_next_request */
  next(): BlkRequest | null {
    return this.sorted.firstFrom(this.latestSector);
  }
}

class MqDeadline implements Elevator {
  readonly sorts = true;
  readonly #executor: Executor;
  readonly #reads: DirectionQueue;
  readonly #writes: DirectionQueue;
  readonly #writesStarved: number;
  readonly #fifoBatch: number;
  readonly #frontMerges: boolean;
  /** Direction of the current batch. */
  #batchOf: DirectionQueue;
  /** Requests issued in the current batch. */
  #batching = 0;
  /** Batches of reads since writes began to wait. */
  #starved = 0;
  /** Where the last bio went: the likeliest place for the next. @kernel block/elevator.c: last_merge */
  #lastMerge: BlkRequest | null = null;

  constructor(executor: Executor, settings: Required<MqDeadlineOptions>) {
    this.#executor = executor;
    this.#reads = new DirectionQueue(settings.readExpireMs);
    this.#writes = new DirectionQueue(settings.writeExpireMs);
    this.#writesStarved = settings.writesStarved;
    this.#fifoBatch = settings.fifoBatch;
    this.#frontMerges = settings.frontMerges;
    // As if a batch of writes had begun: writes that are there first go first. @kernel block/mq-deadline.c: dd_init_sched
    this.#batchOf = this.#writes;
  }

  /** @kernel block/blk-mq-sched.c: blk_mq_sched_try_merge */
  mergeBio(bio: Bio): boolean {
    const direction = this.#directionOf(bio.opf);
    const rq = this.#findMergeable(direction, bio);
    if (rq === null) return false;
    if (mergeSide(rq, bio) === MergeSide.BACK) return this.#mergeAtBack(direction, rq, bio);
    return this.#mergeAtFront(direction, rq, bio);
  }

  /** @kernel block/mq-deadline.c: dd_insert_request */
  insert(rq: BlkRequest): void {
    const direction = this.#directionOf(rq.opf);
    const before = direction.sorted.lastBefore(rq.sector);
    if (before !== null && attemptMerge(before, rq)) {
      this.#lastMerge = before;
      this.#absorbNext(direction, before);
      rq.queue.freeRequest(rq);
      return;
    }
    rq.queue.layer.tracepoints.blockRqInsert.emit?.(rq);
    rq.fifoTimeMs = this.#executor.nowMs() + direction.expireMs;
    direction.add(rq);
    this.#lastMerge ??= rq;
    if (this.#frontMerges) this.#absorbNext(direction, rq);
  }

  /** @kernel block/mq-deadline.c: __dd_dispatch_request */
  dispatch(): BlkRequest | null {
    const inBatch = this.#batching < this.#fifoBatch ? this.#batchOf.next() : null;
    if (inBatch !== null) return this.#issue(this.#batchOf, inBatch);
    const direction = this.#chooseDirection();
    if (direction === null) return null;
    this.#batchOf = direction;
    this.#batching = 0;
    return this.#issue(direction, this.#firstOfBatch(direction));
  }

  hasWork(): boolean {
    return this.#reads.fifo.first !== null || this.#writes.fifo.first !== null;
  }

  #directionOf(opf: number): DirectionQueue {
    return opIsWrite(opf) ? this.#writes : this.#reads;
  }

  /** Reads, unless writes have waited for too many batches of them. */
  #chooseDirection(): DirectionQueue | null {
    const writesWait = this.#writes.fifo.first !== null;
    const readsWait = this.#reads.fifo.first !== null;
    if (readsWait && !(writesWait && this.#starved++ >= this.#writesStarved)) return this.#reads;
    if (!writesWait) return null;
    this.#starved = 0;
    return this.#writes;
  }

  /** The oldest when its time has come or nothing is left in this sweep, else the next by sector. */
  #firstOfBatch(direction: DirectionQueue): BlkRequest {
    const oldest = direction.fifo.first!;
    if (oldest.fifoTimeMs <= this.#executor.nowMs()) return oldest;
    return direction.next() ?? oldest;
  }

  #issue(direction: DirectionQueue, rq: BlkRequest): BlkRequest {
    this.#batching++;
    direction.latestSector = rq.sector;
    direction.remove(rq);
    if (this.#lastMerge === rq) this.#lastMerge = null;
    return rq;
  }

  /** @kernel block/elevator.c: elv_merge; block/mq-deadline.c: dd_request_merge */
  #findMergeable(direction: DirectionQueue, bio: Bio): BlkRequest | null {
    if (this.#lastMerge !== null && this.#mayMerge(this.#lastMerge, bio)) return this.#lastMerge;
    const before = direction.sorted.lastBefore(bio.sector);
    if (before !== null && mergeSide(before, bio) === MergeSide.BACK) return before;
    const after = direction.sorted.firstFrom(bio.endSector);
    return after !== null && this.#mayMerge(after, bio) ? after : null;
  }

  #mayMerge(rq: BlkRequest, bio: Bio): boolean {
    const side = mergeSide(rq, bio);
    return side === MergeSide.BACK || (side === MergeSide.FRONT && this.#frontMerges);
  }

  #mergeAtBack(direction: DirectionQueue, rq: BlkRequest, bio: Bio): boolean {
    if (attemptBackMerge(rq, bio) !== MergeResult.OK) return false;
    this.#lastMerge = rq;
    this.#absorbNext(direction, rq);
    return true;
  }

  /** The request starts elsewhere afterwards, so it changes its place. @kernel block/mq-deadline.c: dd_request_merged */
  #mergeAtFront(direction: DirectionQueue, rq: BlkRequest, bio: Bio): boolean {
    direction.sorted.remove(rq);
    const result = attemptFrontMerge(rq, bio);
    direction.sorted.insert(rq);
    if (result !== MergeResult.OK) return false;
    this.#lastMerge = rq;
    const before = direction.sorted.lastBefore(rq.sector);
    if (before !== null && attemptMerge(before, rq)) this.#absorbed(direction, before, rq);
    return true;
  }

  /** Merges the request that starts where `rq` now ends, if there is one. @kernel block/blk-merge.c: attempt_back_merge */
  #absorbNext(direction: DirectionQueue, rq: BlkRequest): void {
    const next = direction.sorted.firstFrom(rq.endSector);
    if (next !== null && attemptMerge(rq, next)) this.#absorbed(direction, rq, next);
  }

  /**
   * `next` has become part of `rq`, which inherits its deadline when that is earlier. Freeing comes last: it may bring
   * new bios here.
   *
   * @kernel block/mq-deadline.c: dd_merged_requests
   */
  #absorbed(direction: DirectionQueue, rq: BlkRequest, next: BlkRequest): void {
    direction.sorted.remove(next);
    if (next.fifoTimeMs < rq.fifoTimeMs) {
      rq.fifoTimeMs = next.fifoTimeMs;
      direction.fifo.remove(rq);
      direction.fifo.replace(next, rq);
    } else {
      direction.fifo.remove(next);
    }
    this.#lastMerge = rq;
    next.queue.freeRequest(next);
  }
}
