import type { Bio } from "./bio.js";
import { bioIntegrityPrep } from "./bio-integrity.js";
import { BioSplitter } from "./bio-splitter.js";
import { accountDone } from "./blk-account.js";
import { issueClone } from "./blk-clone.js";
import { KEYSLOT_PENDING } from "./blk-crypto.js";
import { FlushMachine } from "./blk-flush.js";
import { BlkMqHwCtx } from "./blk-mq-hctx.js";
import type { BlkMqOps, BlkMqQueueOptions } from "./blk-mq-ops.js";
import { RequeueList } from "./blk-mq-requeue.js";
import { type BlkMqTagSet, tagSetOf } from "./blk-mq-tag.js";
import { BlkRequest, RequestState } from "./blk-request.js";
import { RequestTimeouts } from "./blk-timeout.js";
import type { BlockLayer } from "./block-layer.js";
import type { Elevator, ElevatorType } from "./elevator.js";
import { noneElevator } from "./elevator-none.js";
import { BlkBug } from "./errors.js";
import { expectCount, INT_MAX } from "./expect-count.js";
import { opfMergeable, opIsFlush, ReqFlag } from "./opf.js";
import { RequestQueue } from "./request-queue.js";
import { BlkStatus } from "./status.js";

const { AGAIN, OK } = BlkStatus;
const { NOMERGE, NOWAIT } = ReqFlag;
const { FREE, IDLE, IN_FLIGHT } = RequestState;

/**
 * The queue of a request-based driver: splits bios to the limits, merges neighbours, makes requests of them, gets their
 * keyslots and offers them to the driver.
 *
 * @kernel block/blk-mq.c
 */
export class BlkMqQueue extends RequestQueue {
  readonly ops: BlkMqOps;
  readonly tagSet: BlkMqTagSet;
  /** The device's hardware queues. */
  readonly hctxs: readonly BlkMqHwCtx[];
  /** Watches what the driver owns; `BlkMqHwCtx` tells it. Null when the driver does not want to hear of what takes too long. */
  readonly timeouts: RequestTimeouts | null;
  /** Every request, the flush machine's included. */
  readonly #requests: BlkRequest[] = [];
  readonly #splitter: BioSplitter;
  readonly #flush: FlushMachine;
  /** Requests that the driver gave back. */
  readonly requeueList: RequeueList = new RequeueList(this);
  #elevatorType: ElevatorType;
  #elevator: Elevator;
  #quiesceDepth = 0;
  #running = false;
  #runAgain = false;

  /** @throws BlkError EINVAL for a depth, timeout or limits that make no sense. */
  constructor(layer: BlockLayer, options: BlkMqQueueOptions) {
    super(layer, options.limits ?? {});
    this.ops = options.ops;
    this.tagSet = tagSetOf(options);
    this.hctxs = this.tagSet.tags.map((_tags, index) => new BlkMqHwCtx(this, index));
    this.#splitter = new BioSplitter(this, (bio) => this.#waitForRequest(bio, this.#hctxFor(bio)));
    this.#elevatorType = options.elevator ?? noneElevator;
    this.#elevator = this.#elevatorType.create(this);
    this.#flush = new FlushMachine(this, this.newRequest(this.hctxs[0]!));
    this.setNrRequests(options.nrRequests ?? this.#elevatorType.defaultNrRequests(this.queueDepth));
    this.timeouts = this.#newTimeouts(options.timeoutMs ?? 30_000);
  }

  /** Requests each hardware queue takes at a time. */
  get queueDepth(): number {
    return this.tagSet.queueDepth;
  }

  /** Requests for each hardware queue at a time, waiting ones included. */
  get nrRequests(): number {
    return this.hctxs[0]!.requests.limit;
  }

  /** Name of the elevator in use. */
  get elevator(): string {
    return this.#elevatorType.name;
  }

  get isQuiesced(): boolean {
    return this.#quiesceDepth > 0;
  }

  /** @kernel block/blk-mq.c: blk_mq_submit_bio */
  protected takeBio(bio: Bio): false {
    const hctx = this.#hctxFor(bio);
    const front = this.#splitter.split(bio, hctx.requests);
    if (front === null) return false;
    this.#takeWithinLimits(front, hctx);
    if (front !== bio) this.layer.submitBioNoacctNocheck(bio);
    return false;
  }

  /** The profile has answered a request that waited for a keyslot. */
  keyslotGranted(rq: BlkRequest, status: BlkStatus): void {
    const onInserted = rq.onInserted;
    if (onInserted !== null) {
      rq.onInserted = null;
      return onInserted(rq, status === OK ? issueClone(rq) : status);
    }
    if (status !== OK) return this.endRequest(rq, status);
    if (opIsFlush(rq.opf) && this.#flush.insert(rq)) return;
    this.insert(rq);
    this.run();
  }

  /** Queues a request for the driver; `run` then offers it. @kernel block/blk-mq.c: blk_mq_insert_request */
  insert(rq: BlkRequest): void {
    this.#elevator.insert(rq);
  }

  /** Queues a request past the elevator and in front of what it holds. @kernel block/blk-mq.c: blk_mq_request_bypass_insert */
  insertBypass(rq: BlkRequest): void {
    rq.hctx.dispatch.append(rq);
  }

  /** Offers queued requests to the driver until it refuses one. @kernel block/blk-mq.c: blk_mq_run_hw_queues */
  run(): void {
    if (this.#running) {
      this.#runAgain = true;
      return;
    }
    this.#running = true;
    try {
      do {
        this.#runAgain = false;
        for (let index = 0; index < this.hctxs.length; index++) this.hctxs[index]!.run(this.#elevator);
        for (let index = 0; index < this.hctxs.length; index++) this.hctxs[index]!.commit();
      } while (this.#runAgain);
    } finally {
      this.#running = false;
    }
  }

  /**
   * The driver gives back a request it owns, to be offered again: same keyslot, same context, the part that is not done.
   * Soon, unless `kick` is false: then after a kick of `requeueList`.
   *
   * @throws BlkBug when the driver does not own the request.
   * @kernel block/blk-mq.c: blk_mq_requeue_request
   */
  requeue(rq: BlkRequest, kick = true): void {
    if (rq.state !== IN_FLIGHT) throw new BlkBug("a request is requeued that no driver owns");
    this.layer.tracepoints.blockRqRequeue.emit?.(rq);
    rq.state = IDLE;
    rq.hctx.putTag(rq);
    this.requeueList.add(rq);
    if (kick) this.requeueList.kick();
  }

  /** @kernel block/blk-mq.c: blk_mq_complete_request */
  completeRequest(rq: BlkRequest, status: BlkStatus): void {
    if (rq.state !== IN_FLIGHT) throw new BlkBug("a request completes that no driver owns");
    rq.state = IDLE;
    if (rq.flushSeq !== 0) this.#flush.dataEnded(rq, status);
    else this.endRequest(rq, status);
    this.#runIfWorkIsLeft();
  }

  /** Ends what is left of a request's bios, and the request. @kernel block/blk-mq.c: blk_mq_end_request */
  endRequest(rq: BlkRequest, status: BlkStatus): void {
    rq.update(status, rq.bytes);
    accountDone(rq);
    if (rq.onEnd === null) this.freeRequest(rq);
    else rq.onEnd(rq, status);
  }

  /**
   * A request without bios, for a clone or a driver's own command, or null: none is free, or the queue takes none now.
   * Who asks sets `onEnd` and frees it.
   *
   * @throws BlkBug when there is no such hardware queue.
   * @kernel block/blk-mq.c: blk_mq_alloc_request, with BLK_MQ_REQ_NOWAIT
   */
  tryAllocRequest(opf: number, hctxIndex = 0): BlkRequest | null {
    const hctx = this.hctxs[hctxIndex];
    if (hctx === undefined) throw noHctx("a request is wanted for", hctxIndex, this);
    if (this.isFrozen || !this.isLive) return null;
    const rq = this.#takeRequest(hctx);
    if (rq !== null) rq.opf = opf | NOMERGE;
    return rq;
  }

  /**
   * Takes back a request whose bios have ended or moved on.
   *
   * @throws BlkBug when it still held a keyslot, which is then put.
   * @kernel block/blk-mq.c: blk_mq_free_request; block/blk-crypto.c: __blk_crypto_free_request
   */
  freeRequest(rq: BlkRequest): void {
    if (rq.state === FREE) throw new BlkBug("a request is freed twice");
    const heldKeyslot = rq.cryptKeyslot !== null;
    if (heldKeyslot) rq.putKeyslot();
    rq.hctx.putTag(rq);
    rq.hctx.requests.put(rq);
    this.exit();
    if (heldKeyslot) throw new BlkBug("a request is freed that holds a keyslot");
    if (!rq.hctx.waiting.isEmpty) this.resumeWaiting(rq.hctx);
  }

  /** Takes the bios that waited, as many as find what they need. */
  resumeWaiting(hctx: BlkMqHwCtx): void {
    while (hctx.requests.hasFree) {
      const bio = hctx.waiting.begin();
      if (bio === null) return;
      this.takeBio(bio);
      this.exit();
      if (!hctx.waiting.finish(bio)) return;
    }
  }

  /** A new request for `hctx`, for `RequestPool` to keep. */
  newRequest(hctx: BlkMqHwCtx): BlkRequest {
    const rq = new BlkRequest(this, this.#requests.length, hctx);
    this.#requests.push(rq);
    this.ops.initRequest?.(rq);
    return rq;
  }

  /** The driver gets nothing new until `unquiesce`; what it owns may end. Nests. @kernel block/blk-mq.c: blk_mq_quiesce_queue */
  quiesce(): void {
    this.#quiesceDepth++;
  }

  /** @kernel block/blk-mq.c: blk_mq_unquiesce_queue */
  unquiesce(): void {
    if (this.#quiesceDepth === 0) throw new BlkBug("a queue is unquiesced that was not quiesced");
    this.#quiesceDepth--;
    this.run();
  }

  /**
   * Changes how many requests there are for each hardware queue. Fewer count from when enough have ended.
   *
   * @throws BlkError EINVAL
   * @kernel block/blk-mq.c: blk_mq_update_nr_requests
   */
  setNrRequests(nrRequests: number): void {
    for (const hctx of this.hctxs) hctx.requests.setLimit(nrRequests);
    for (const hctx of this.hctxs) this.resumeWaiting(hctx);
  }

  /** Freezes the queue, changes its elevator, and lets it go on. @kernel block/elevator.c: elevator_change */
  async setElevator(type: ElevatorType): Promise<void> {
    await this.freeze();
    try {
      const elevator = type.create(this);
      this.setNrRequests(type.defaultNrRequests(this.queueDepth));
      this.#elevator = elevator;
      this.#elevatorType = type;
    } finally {
      this.unfreeze();
    }
  }

  override async drain(): Promise<void> {
    await super.drain();
    this.timeouts?.stop();
    this.requeueList.stop();
    for (const hctx of this.hctxs) hctx.stop();
  }

  /** @kernel block/blk-settings.c: blk_queue_rq_timeout */
  #newTimeouts(timeoutMs: number): RequestTimeouts | null {
    expectCount("blk_queue_rq_timeout", "timeoutMs", timeoutMs, 1, INT_MAX);
    const { timeout } = this.ops;
    if (timeout === undefined) return null;
    return new RequestTimeouts(this.layer.executor, this.#requests, (rq) => timeout.call(this.ops, rq), timeoutMs);
  }

  #takeWithinLimits(bio: Bio, hctx: BlkMqHwCtx): void {
    if (this.limits.integrity !== null && !bioIntegrityPrep(bio, this.limits.integrity)) {
      return this.#waitForRequest(bio, hctx);
    }
    if (this.#tryMerge(bio, hctx)) return;
    const rq = this.#takeRequest(hctx);
    if (rq === null) return this.#waitForRequest(bio, hctx);
    this.layer.tracepoints.blockGetrq.emit?.(bio);
    rq.initFromBio(bio);
    const result = rq.cryptCtx === null ? OK : rq.getKeyslot();
    if (result === OK) this.#start(rq);
    // A submitter that has to wait sends on what it plugged: those requests may hold the very slots it waits for.
    else if (result === KEYSLOT_PENDING) this.layer.flushPlug();
    else this.endRequest(rq, result);
  }

  #hctxFor(bio: Bio): BlkMqHwCtx {
    return this.ops.mapQueue === undefined ? this.hctxs[0]! : this.#mappedHctx(this.ops.mapQueue(bio));
  }

  #mappedHctx(index: number): BlkMqHwCtx {
    const hctx = this.hctxs[index];
    if (hctx === undefined) throw noHctx("a bio is mapped to", index, this);
    return hctx;
  }

  #tryMerge(bio: Bio, hctx: BlkMqHwCtx): boolean {
    if (!opfMergeable(bio.opf)) return false;
    return this.layer.currentPlug?.tryMerge(bio) || this.#elevator.mergeBio(bio, hctx);
  }

  #start(rq: BlkRequest): void {
    if (opIsFlush(rq.opf) && this.#flush.insert(rq)) return;
    const plug = this.layer.currentPlug;
    if (plug !== null) return plug.add(rq);
    if (this.#mayIssueDirectly(rq.hctx)) return this.#issueDirectly(rq);
    this.insert(rq);
    this.run();
  }

  /** Nothing sorts, and nothing waits that a new request would overtake. @kernel block/blk-mq.c: blk_mq_submit_bio */
  #mayIssueDirectly(hctx: BlkMqHwCtx): boolean {
    return !this.#running && !this.#elevator.sorts && this.#quiesceDepth === 0 && !hctx.hasWork(this.#elevator);
  }

  /** Past insertion and dispatch. What starts meanwhile is offered afterwards: no recursion. @kernel block/blk-mq.c: blk_mq_try_issue_directly */
  #issueDirectly(rq: BlkRequest): void {
    this.#running = true;
    try {
      rq.hctx.issue(rq, this.#elevator);
    } finally {
      this.#running = false;
    }
    if (this.#runAgain) this.run();
  }

  #runIfWorkIsLeft(): void {
    for (let index = 0; index < this.hctxs.length; index++) {
      if (this.hctxs[index]!.hasWork(this.#elevator)) return this.run();
    }
  }

  #takeRequest(hctx: BlkMqHwCtx): BlkRequest | null {
    const rq = hctx.requests.tryGet();
    if (rq !== null) this.enter();
    return rq;
  }

  /** Keeps a bio until a request that goes the same way ends, and with it what the bio lacks may be free. */
  #waitForRequest(bio: Bio, hctx: BlkMqHwCtx): void {
    if ((bio.opf & NOWAIT) !== 0) return bio.endIoWith(AGAIN);
    bio.integrity?.yieldIfLast();
    this.enter();
    hctx.waiting.add(bio);
    this.layer.flushPlug();
    if (!hctx.requests.anyInUse) hctx.waiting.retryLater();
  }
}

function noHctx(what: string, index: number, { hctxs }: BlkMqQueue): BlkBug {
  return new BlkBug(`${what} hardware queue ${index} of ${hctxs.length}`);
}
