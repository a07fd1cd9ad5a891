/**
 * A deferred call, queued at most once at a time. Embed it in the object it works for: queueing allocates nothing.
 *
 * @kernel include/linux/workqueue.h: work_struct
 */
export class WorkItem {
  next: WorkItem | null = null;
  queued = false;
  readonly run: () => void;

  constructor(run: () => void) {
    this.run = run;
  }
}

/**
 * A one-shot timer, pending at most once at a time.
 *
 * @kernel include/linux/timer.h: timer_list
 */
export class Timer {
  next: Timer | null = null;
  pending = false;
  /** When it fires, on the executor's clock. */
  deadlineMs = 0;
  /** The executor's own handle. */
  handle: unknown = null;
  readonly run: () => void;

  constructor(run: () => void) {
    this.run = run;
  }
}

/** The CPU, the clock and the timers of a block layer. Everything that defers or waits goes through here. */
export interface Executor {
  /** Milliseconds on a clock that never goes back, with fractions. */
  nowMs(): number;
  /** Runs the item soon, outside the caller's stack, in order of queueing. Queued already: nothing happens. */
  queueWork(work: WorkItem): void;
  /** Runs the timer `delayMs` from now; pending already: it is moved. */
  addTimer(timer: Timer, delayMs: number): void;
  /** Stops a timer; not pending: nothing happens. */
  cancelTimer(timer: Timer): void;
}

/** First-in-first-out list of work items, linked through the items. */
export class WorkList {
  #first: WorkItem | null = null;
  #last: WorkItem | null = null;

  get isEmpty(): boolean {
    return this.#first === null;
  }

  push(work: WorkItem): void {
    work.queued = true;
    if (this.#last === null) this.#first = work;
    else this.#last.next = work;
    this.#last = work;
  }

  shift(): WorkItem | null {
    const work = this.#first;
    if (work === null) return null;
    this.#first = work.next;
    if (this.#first === null) this.#last = null;
    work.next = null;
    work.queued = false;
    return work;
  }

  /** Takes over all items of `other`, which is then empty. */
  takeAll(other: WorkList): void {
    this.#first = other.#first;
    this.#last = other.#last;
    other.#first = null;
    other.#last = null;
  }
}
