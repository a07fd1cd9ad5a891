import type { BlkMqQueue } from "./blk-mq.js";
import { type BlkRequest, RequestState } from "./blk-request.js";
import { ReqFlag, ReqOp } from "./opf.js";
import { RequestList } from "./request-list.js";
import { BlkStatus } from "./status.js";

/** Steps of a request with PREFLUSH or FUA, in order; `rq.flushSeq` has the bits of those that are done or not needed. */
const FlushStep = { PREFLUSH: 1, DATA: 2, POSTFLUSH: 4 } as const;
const ALL_STEPS = FlushStep.PREFLUSH | FlushStep.DATA | FlushStep.POSTFLUSH;

/**
 * Turns PREFLUSH and FUA into flush requests and plain writes for devices with a volatile cache. One flush is in flight
 * at a time; all requests that need one meanwhile share the next.
 *
 * @kernel block/blk-flush.c
 */
export class FlushMachine {
  readonly #queue: BlkMqQueue;
  /** The one flush request; outside the tags, so a flush never waits for them. */
  readonly #flushRq: BlkRequest;
  /** Requests that need a flush which has not started. */
  readonly #pending = new RequestList();
  /** Requests that the flush in flight serves. */
  readonly #served = new RequestList();
  #flushInFlight = false;
  readonly #onFlushEnd = (_rq: BlkRequest, status: BlkStatus): void => this.#flushEnded(status);
  readonly #onDataEnd = (rq: BlkRequest, status: BlkStatus): void => this.#stepDone(rq, FlushStep.DATA, status);

  constructor(queue: BlkMqQueue, flushRq: BlkRequest) {
    this.#queue = queue;
    this.#flushRq = flushRq;
  }

  /** Takes a request with PREFLUSH or FUA. @kernel block/blk-flush.c: blk_insert_flush */
  insert(rq: BlkRequest): void {
    const deviceHasFua = this.#queue.limits.fua;
    let needed = rq.bytes > 0 ? FlushStep.DATA : 0;
    if ((rq.opf & ReqFlag.PREFLUSH) !== 0) needed |= FlushStep.PREFLUSH;
    if ((rq.opf & ReqFlag.FUA) !== 0 && rq.bytes > 0 && !deviceHasFua) needed |= FlushStep.POSTFLUSH;
    rq.opf &= ~ReqFlag.PREFLUSH;
    if (!deviceHasFua) rq.opf &= ~ReqFlag.FUA;
    rq.flushSeq = ALL_STEPS & ~needed;
    this.#nextStep(rq);
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
      rq.onEnd = this.#onDataEnd;
      this.#queue.insert(rq);
      return this.#queue.run();
    }
    this.#pending.append(rq);
    this.#startFlush();
  }

  #finish(rq: BlkRequest, status: BlkStatus): void {
    rq.onEnd = null;
    this.#queue.finishRequest(rq, status);
  }

  /** @kernel block/blk-flush.c: blk_kick_flush */
  #startFlush(): void {
    if (this.#flushInFlight || this.#pending.first === null) return;
    this.#flushInFlight = true;
    this.#served.takeAll(this.#pending);
    const rq = this.#flushRq;
    rq.reset();
    rq.opf = ReqOp.FLUSH;
    rq.state = RequestState.IDLE;
    rq.onEnd = this.#onFlushEnd;
    this.#queue.insert(rq);
    this.#queue.run();
  }

  /** @kernel block/blk-flush.c: flush_end_io */
  #flushEnded(status: BlkStatus): void {
    for (let rq = this.#served.shift(); rq !== null; rq = this.#served.shift()) {
      this.#stepDone(rq, firstStepToDo(rq), status);
    }
    this.#flushInFlight = false;
    this.#startFlush();
  }
}

function firstStepToDo(rq: BlkRequest): number {
  const toDo = ALL_STEPS & ~rq.flushSeq;
  return toDo & -toDo;
}
