import { type BlkRequest, RequestState } from "./blk-request.js";
import { type Executor, Timer } from "./executor.js";

/** What a driver decides about a request that took too long. @kernel include/linux/blk-mq.h: enum blk_eh_timer_return */
export const EhAction = { DONE: 0, RESET_TIMER: 1 } as const;
export type EhAction = (typeof EhAction)[keyof typeof EhAction];

/**
 * Watches the requests a driver owns. One timer serves them all and is armed only from time to time, so that a request
 * costs one look at the clock.
 *
 * @kernel block/blk-timeout.c
 */
export class RequestTimeouts {
  readonly #executor: Executor;
  readonly #requests: readonly BlkRequest[];
  readonly #timeoutMs: number;
  readonly #timeout: (rq: BlkRequest) => EhAction;
  readonly #timer = new Timer(() => this.#expire());

  /** `requests` may grow; `timeout` is the driver's. */
  constructor(
    executor: Executor,
    requests: readonly BlkRequest[],
    timeout: (rq: BlkRequest) => EhAction,
    timeoutMs: number,
  ) {
    this.#executor = executor;
    this.#requests = requests;
    this.#timeoutMs = timeoutMs;
    this.#timeout = timeout;
  }

  /** The driver gets the request now. @kernel block/blk-timeout.c: blk_add_timer */
  start(rq: BlkRequest): void {
    rq.timedOut = false;
    rq.deadlineMs = this.#executor.nowMs() + this.#timeoutMs;
    if (!this.#timer.pending) this.#executor.addTimer(this.#timer, this.#timeoutMs);
  }

  /** Forgets the timer; no request may be in flight. */
  stop(): void {
    this.#executor.cancelTimer(this.#timer);
  }

  /** @kernel block/blk-mq.c: blk_mq_timeout_work */
  #expire(): void {
    const nowMs = this.#executor.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.#requests.length; index++) {
      const rq = this.#requests[index]!;
      if (isWatched(rq) && rq.deadlineMs <= nowMs) this.#timeOut(rq);
      if (isWatched(rq)) nextMs = Math.min(nextMs, rq.deadlineMs - nowMs);
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#executor.addTimer(this.#timer, nextMs);
  }

  /** @kernel block/blk-mq.c: blk_mq_rq_timed_out */
  #timeOut(rq: BlkRequest): void {
    rq.timedOut = true;
    if (this.#timeout(rq) === EhAction.RESET_TIMER) this.start(rq);
  }
}

function isWatched(rq: BlkRequest): boolean {
  return rq.state === RequestState.IN_FLIGHT && !rq.timedOut;
}
