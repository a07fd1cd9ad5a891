import { accountFlush } from "./blk-account.js";
import type { BlkMqQueue } from "./blk-mq.js";
import { type BlkRequest, RequestState } from "./blk-request.js";
import type { QueueLimits } from "./limits.js";
import { ReqFlag, ReqOp } from "./opf.js";
import { RequestList } from "./request-list.js";
import { BlkStatus } from "./status.js";

/** Steps of a request with PREFLUSH or FUA, in order; `rq.flushSeq` has the bits of those that are done or not needed. */
const FlushStep = { PREFLUSH: 1, DATA: 2, POSTFLUSH: 4 } as const;
const ALL_STEPS = FlushStep.PREFLUSH | FlushStep.DATA | FlushStep.POSTFLUSH;
/** Set in `rq.flushSeq` as long as the flush machine has the request. @kernel include/linux/blk-mq.h: RQF_FLUSH_SEQ */
const IN_SEQUENCE = 8;

/** After so long a flush no longer waits for data on its way. @kernel block/blk-flush.c: FLUSH_PENDING_TIMEOUT */
const PENDING_TIMEOUT_MS = 5000;

/**
 * Turns PREFLUSH and FUA into flush requests and plain writes for devices with a volatile cache. One flush is in flight
 * at a time, and it waits for the data of such requests that is on its way: all that need a flush meanwhile share one.
 *
 * @kernel block/blk-flush.c
 */
export class FlushMachine {
  readonly #queue: BlkMqQueue;
  readonly #flushRq: BlkRequest;
  /** Requests that need a flush which has not started. */
  readonly #pending = new RequestList();
  #pendingSinceMs = 0;
  /** Requests that the flush in flight serves. */
  readonly #served = new RequestList();
  #flushInFlight = false;
  /** Requests of the machine whose data is on its way. */
  #dataInFlight = 0;
  readonly #onFlushEnd = (rq: BlkRequest, status: BlkStatus): void => this.#flushEnded(rq, status);

  constructor(queue: BlkMqQueue, flushRq: BlkRequest) {
    this.#queue = queue;
    this.#flushRq = flushRq;
  }

  /**
   * Looks at a request with PREFLUSH or FUA. True when the machine has taken it; false: its data goes down like any
   * other now.
   *
   * @kernel block/blk-flush.c: blk_insert_flush
   */
  insert(rq: BlkRequest): boolean {
    const needed = stepsNeeded(rq, this.#queue.limits);
    rq.opf &= ~ReqFlag.PREFLUSH;
    if (!this.#queue.limits.fua) rq.opf &= ~ReqFlag.FUA;
    if (needed === FlushStep.DATA) return false;
    rq.flushSeq = IN_SEQUENCE | (ALL_STEPS & ~needed);
    if (firstStepToDo(rq) === FlushStep.DATA) {
      this.#dataInFlight++;
      return false;
    }
    this.#nextStep(rq);
    return true;
  }

  /**
   * The data of a request of the machine is written, or not: others may have its keyslot while it waits for a flush.
   *
   * @kernel block/blk-flush.c: mq_flush_data_end_io
   */
  dataEnded(rq: BlkRequest, status: BlkStatus): void {
    rq.putKeyslot();
    rq.hctx.putTag(rq);
    this.#dataInFlight--;
    this.#stepDone(rq, FlushStep.DATA, status);
    this.#startFlush();
  }

  /** @kernel block/blk-flush.c: blk_flush_complete_seq */
  #stepDone(rq: BlkRequest, step: number, status: BlkStatus): void {
    rq.flushSeq |= step;
    if (status === BlkStatus.OK) this.#nextStep(rq);
    else this.#finish(rq, status);
  }

  #nextStep(rq: BlkRequest): void {
    const step = firstStepToDo(rq);
    if (step === 0) return this.#finish(rq, BlkStatus.OK);
    if (step === FlushStep.DATA) {
      this.#dataInFlight++;
      this.#queue.insertBypass(rq);
      return this.#queue.run();
    }
    if (this.#pending.first === null) this.#pendingSinceMs = this.#nowMs();
    this.#pending.append(rq);
    this.#startFlush();
  }

  #finish(rq: BlkRequest, status: BlkStatus): void {
    rq.flushSeq = 0;
    this.#queue.endRequest(rq, status);
  }

  /** @kernel block/blk-flush.c: blk_kick_flush */
  #startFlush(): void {
    const first = this.#pending.first;
    if (this.#flushInFlight || first === null) return;
    if (this.#dataInFlight > 0 && this.#nowMs() < this.#pendingSinceMs + PENDING_TIMEOUT_MS) return;
    this.#flushInFlight = true;
    this.#served.takeAll(this.#pending);
    const rq = this.#flushRq;
    rq.reset();
    rq.opf = ReqOp.FLUSH;
    rq.hctx = first.hctx;
    rq.state = RequestState.IDLE;
    rq.onEnd = this.#onFlushEnd;
    this.#noteStart(rq);
    this.#queue.insertBypass(rq);
    this.#queue.run();
  }

  #noteStart(rq: BlkRequest): void {
    const { ioClock } = this.#queue.layer;
    ioClock.refresh();
    rq.startMs = ioClock.ms;
  }

  /** @kernel block/blk-flush.c: flush_end_io */
  #flushEnded(flushRq: BlkRequest, status: BlkStatus): void {
    flushRq.hctx.putTag(flushRq);
    accountFlush(flushRq);
    for (let rq = this.#served.shift(); rq !== null; rq = this.#served.shift()) {
      this.#stepDone(rq, firstStepToDo(rq), status);
    }
    this.#flushInFlight = false;
    this.#startFlush();
  }

  #nowMs(): number {
    return this.#queue.layer.executor.nowMs();
  }
}

/** @kernel block/blk-flush.c: blk_flush_policy */
function stepsNeeded(rq: BlkRequest, { writeCache, fua }: QueueLimits): number {
  let needed = rq.bytes > 0 ? FlushStep.DATA : 0;
  if (!writeCache) return needed;
  if ((rq.opf & ReqFlag.PREFLUSH) !== 0) needed |= FlushStep.PREFLUSH;
  if ((rq.opf & ReqFlag.FUA) !== 0 && rq.bytes > 0 && !fua) needed |= FlushStep.POSTFLUSH;
  return needed;
}

function firstStepToDo(rq: BlkRequest): number {
  const toDo = ALL_STEPS & ~rq.flushSeq;
  return toDo & -toDo;
}
