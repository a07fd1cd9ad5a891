import type { Bio } from "./bio.js";
import { bioIntegrityPrep } from "./bio-integrity.js";
import { BioList } from "./bio-list.js";
import type { BioSet } from "./bio-set.js";
import { KEYSLOT_PENDING } from "./blk-crypto.js";
import { FlushMachine } from "./blk-flush.js";
import { attemptBioMerge, MergeResult } from "./blk-merge.js";
import { BlkRequest, RequestState } from "./blk-request.js";
import { bytesWithinLimits, SplitResult } from "./blk-split.js";
import type { BlockLayer } from "./block-layer.js";
import { BlkBug, BlkError } from "./errors.js";
import { Timer } from "./executor.js";
import type { QueueLimitsInput } from "./limits.js";
import { opfMergeable, opIsFlush, ReqFlag } from "./opf.js";
import { RequestList } from "./request-list.js";
import { RequestQueue } from "./request-queue.js";
import { BlkStatus } from "./status.js";
import { blkIntegrityPrepare } from "./t10-pi.js";

/** What a request-based driver implements. @kernel include/linux/blk-mq.h: blk_mq_ops */
export interface BlkMqOps {
  /**
   * Starts a request and returns OK; the driver later calls `rq.complete` once, or does so before returning.
   * RESOURCE or DEV_RESOURCE: not now, offer it again after a completion or a short while. Any other status ends it.
   * `last` is false while more requests follow at once.
   */
  queueRq(rq: BlkRequest, last: boolean): BlkStatus;
  /** More requests were announced and do not come: start what was collected. */
  commitRqs?(): void;
  /** Called once for each request when the queue is made; may set `rq.driverData`. */
  initRequest?(rq: BlkRequest): void;
}

/** Requests waiting for the driver that a new bio is compared with. @kernel block/blk-merge.c: blk_bio_list_merge */
const MERGE_SEARCH_DEPTH = 8;
/** When to offer a refused request again if no completion does. @kernel block/blk-mq.c: BLK_MQ_RESOURCE_DELAY */
const RESOURCE_DELAY_MS = 3;
/** Bios of one queue that may be split at a time. */
const SPLIT_BIOS = 64;

export interface BlkMqQueueOptions {
  ops: BlkMqOps;
  limits?: QueueLimitsInput;
  /**
   * Most requests at a time, 1 to 10240; further bios wait.
   *
   * @default 128
   */
  queueDepth?: number;
}

/**
 * The queue of a request-based driver: splits bios to the limits, merges neighbours, tags them and gets their keyslots.
 *
 * @kernel block/blk-mq.c: blk_mq_submit_bio
 */
export class BlkMqQueue extends RequestQueue {
  readonly queueDepth: number;
  readonly #ops: BlkMqOps;
  readonly #requests: BlkRequest[] = [];
  readonly #freeTags: number[] = [];
  readonly #dispatch = new RequestList();
  readonly #waiting = new BioList();
  readonly #splitBios: BioSet;
  readonly #splitResult = new SplitResult();
  readonly #flush: FlushMachine;
  readonly #resourceTimer = new Timer(() => {
    this.run();
    this.#resumeWaiting();
  });
  #running = false;
  #runAgain = false;
  #resuming = false;

  constructor(layer: BlockLayer, options: BlkMqQueueOptions) {
    super(layer, options.limits ?? {});
    this.queueDepth = options.queueDepth ?? 128;
    if (!Number.isInteger(this.queueDepth) || this.queueDepth < 1 || this.queueDepth > 10240) {
      throw new BlkError("EINVAL", "blk_mq_alloc_tag_set", `queueDepth is ${this.queueDepth}, expected 1 to 10240`);
    }
    this.#ops = options.ops;
    this.#splitBios = layer.newBioSet("bio_split", SPLIT_BIOS);
    for (let tag = this.queueDepth - 1; tag >= 0; tag--) {
      this.#requests[tag] = this.#newRequest(tag);
      this.#freeTags.push(tag);
    }
    this.#flush = new FlushMachine(this, this.#newRequest(this.queueDepth));
  }

  submitBio(bio: Bio): void {
    const front = this.#splitToLimits(bio);
    if (front === null) return;
    this.#submitWithinLimits(front);
    if (front !== bio) this.layer.submitBioNoacctNocheck(bio);
  }

  #submitWithinLimits(front: Bio): void {
    if (this.limits.integrity !== null && !bioIntegrityPrep(front, this.limits.integrity)) return;
    if (opfMergeable(front.opf) && this.#tryMerge(front)) return;
    const rq = this.#tryAllocRequest();
    if (rq === null) return this.#waitForResource(front);
    rq.initFromBio(front);
    if (rq.cryptCtx === null) return this.#start(rq);
    const result = rq.getKeyslot();
    if (result === BlkStatus.OK) this.#start(rq);
    // A submitter that has to wait sends on what it plugged: those requests may hold the very slots it waits for.
    else if (result === KEYSLOT_PENDING) this.layer.flushPlug();
    else this.finishRequest(rq, result);
  }

  /** The profile has answered a request that waited for a keyslot. */
  keyslotGranted(rq: BlkRequest, status: BlkStatus): void {
    if (status !== BlkStatus.OK) return this.finishRequest(rq, status);
    if (opIsFlush(rq.opf)) return this.#flush.insert(rq);
    this.insert(rq);
    this.run();
  }

  /** Queues a request for the driver; `run` then offers it. @kernel block/blk-mq.c: blk_mq_insert_request */
  insert(rq: BlkRequest): void {
    this.#dispatch.append(rq);
  }

  /** Offers a request the driver owns, or owned, again: same keyslot, same context. @kernel block/blk-mq.c: blk_mq_requeue_request */
  requeue(rq: BlkRequest): void {
    if (rq.state !== RequestState.IN_FLIGHT) throw new BlkBug("a request is requeued that no driver owns");
    rq.state = RequestState.IDLE;
    this.#dispatch.prepend(rq);
    this.run();
  }

  /** Offers queued requests to the driver until it refuses one. @kernel block/blk-mq.c: blk_mq_dispatch_rq_list */
  run(): void {
    if (this.#running) {
      this.#runAgain = true;
      return;
    }
    this.#running = true;
    try {
      do {
        this.#runAgain = false;
        this.#dispatchAll();
      } while (this.#runAgain);
    } finally {
      this.#running = false;
    }
  }

  /** @kernel block/blk-mq.c: blk_mq_complete_request */
  completeRequest(rq: BlkRequest, status: BlkStatus): void {
    if (rq.state !== RequestState.IN_FLIGHT) throw new BlkBug("a request completes that no driver owns");
    rq.state = RequestState.IDLE;
    if (rq.onEnd === null) this.finishRequest(rq, status);
    else rq.onEnd(rq, status);
  }

  /** Ends what is left of a request's bios and frees its tag. @kernel block/blk-mq.c: __blk_mq_end_request */
  finishRequest(rq: BlkRequest, status: BlkStatus): void {
    rq.update(status, rq.bytes);
    rq.reset();
    this.#freeTags.push(rq.tag);
    this.exit();
    this.#resumeWaiting();
    if (this.#dispatch.first !== null) this.run();
  }

  #newRequest(tag: number): BlkRequest {
    const rq = new BlkRequest(this, tag);
    this.#ops.initRequest?.(rq);
    return rq;
  }

  #start(rq: BlkRequest): void {
    if (opIsFlush(rq.opf)) return this.#flush.insert(rq);
    const plug = this.layer.currentPlug;
    if (plug !== null) return plug.add(rq);
    this.insert(rq);
    this.run();
  }

  /** The part of the bio to go down now, or null when it has ended or waits. @kernel block/blk-merge.c: bio_split_to_limits */
  #splitToLimits(bio: Bio): Bio | null {
    if (bio.bytes === 0) return bio;
    const result = this.#splitResult;
    bytesWithinLimits(bio, this.limits, result);
    if (result.status !== BlkStatus.OK) {
      bio.endIoWith(result.status);
      return null;
    }
    if (result.bytes === bio.bytes) {
      bio.segmentCount = result.segmentCount;
      return bio;
    }
    return this.#split(bio, result.bytes, result.segmentCount);
  }

  #split(bio: Bio, bytes: number, segmentCount: number): Bio | null {
    if ((bio.opf & ReqFlag.NOWAIT) !== 0) {
      bio.endIoWith(BlkStatus.AGAIN);
      return null;
    }
    // Not before there is a tag: parts that wait for tags, behind the bios they belong to, could take all split bios.
    const front = this.#freeTags.length > 0 ? this.#splitBios.trySplit(bio, bytes) : null;
    if (front === null) {
      this.#waitForResource(bio);
      return null;
    }
    front.segmentCount = segmentCount;
    bio.chain(front);
    return front;
  }

  #tryMerge(bio: Bio): boolean {
    if (this.layer.currentPlug?.tryMerge(bio)) return true;
    let rq = this.#dispatch.last;
    for (let depth = 0; rq !== null && depth < MERGE_SEARCH_DEPTH; depth++, rq = rq.prev) {
      const result = attemptBioMerge(rq, bio);
      if (result !== MergeResult.NONE) return result === MergeResult.OK;
    }
    return false;
  }

  /** @kernel block/blk-mq.c: __blk_mq_alloc_requests */
  #tryAllocRequest(): BlkRequest | null {
    const tag = this.#freeTags.pop();
    if (tag === undefined) return null;
    this.enter();
    const rq = this.#requests[tag]!;
    rq.state = RequestState.IDLE;
    return rq;
  }

  /**
   * Keeps a bio until a request of this queue ends, and with it a tag and perhaps a split bio is free; then the bio is
   * submitted again from the top, merging included. One that has to wait again keeps its place. With no such request the
   * bio is tried again after a while.
   */
  #waitForResource(bio: Bio): void {
    if ((bio.opf & ReqFlag.NOWAIT) !== 0) return bio.endIoWith(BlkStatus.AGAIN);
    this.enter();
    if (this.#resuming) this.#waiting.prepend(bio);
    else this.#waiting.append(bio);
    this.layer.flushPlug();
    // No request of this queue is under way whose end would resume the bio: encryption contexts have run out, which the
    // bios of other queues hold.
    if (this.#freeTags.length === this.queueDepth && !this.#resourceTimer.pending) {
      this.layer.executor.addTimer(this.#resourceTimer, RESOURCE_DELAY_MS);
    }
  }

  #resumeWaiting(): void {
    if (this.#resuming) return;
    this.#resuming = true;
    try {
      while (this.#freeTags.length > 0) {
        const bio = this.#waiting.shift();
        if (bio === null) return;
        this.submitBio(bio);
        this.exit();
        if (this.#waiting.first === bio) return;
      }
    } finally {
      this.#resuming = false;
    }
  }

  #dispatchAll(): void {
    let uncommitted = false;
    for (let rq = this.#dispatch.shift(); rq !== null; rq = this.#dispatch.shift()) {
      const last = this.#dispatch.first === null;
      rq.state = RequestState.IN_FLIGHT;
      blkIntegrityPrepare(rq);
      const status = this.#ops.queueRq(rq, last);
      if (status === BlkStatus.OK) {
        uncommitted = !last;
      } else if (status === BlkStatus.RESOURCE || status === BlkStatus.DEV_RESOURCE) {
        rq.state = RequestState.IDLE;
        this.#dispatch.prepend(rq);
        this.layer.executor.addTimer(this.#resourceTimer, RESOURCE_DELAY_MS);
        break;
      } else {
        rq.complete(status);
      }
    }
    if (uncommitted) this.#ops.commitRqs?.();
  }
}
