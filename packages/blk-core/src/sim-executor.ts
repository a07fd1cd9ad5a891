/**
 * A simulated CPU and clock for tests: nothing happens until it is told to, and then always in the same order.
 *
 * @packageDocumentation
 */
import { BlkBug } from "./errors.js";
import { type Executor, type Timer, type WorkItem, WorkList } from "./executor.js";

/** Work runs first in first out; timers fire in order of deadline, first armed first on a tie. */
export class SimExecutor implements Executor {
  readonly #work = new WorkList();
  #firstTimer: Timer | null = null;
  #nowMs = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  /** Whether no work is queued and no timer is armed. */
  get isIdle(): boolean {
    return this.#work.isEmpty && this.#firstTimer === null;
  }

  queueWork(work: WorkItem): void {
    if (!work.queued) this.#work.push(work);
  }

  addTimer(timer: Timer, delayMs: number): void {
    this.cancelTimer(timer);
    timer.pending = true;
    timer.deadlineMs = this.#nowMs + delayMs;
    let before: Timer | null = null;
    let at = this.#firstTimer;
    while (at !== null && at.deadlineMs <= timer.deadlineMs) {
      before = at;
      at = at.next;
    }
    timer.next = at;
    if (before === null) this.#firstTimer = timer;
    else before.next = timer;
  }

  cancelTimer(timer: Timer): void {
    if (!timer.pending) return;
    let before: Timer | null = null;
    for (let at = this.#firstTimer; at !== timer; at = at.next) {
      if (at === null) throw new BlkBug("a pending timer belongs to another executor");
      before = at;
    }
    if (before === null) this.#firstTimer = timer.next;
    else before.next = timer.next;
    timer.next = null;
    timer.pending = false;
  }

  /** Runs one queued item; false when none was queued. Time stands still. */
  runOne(): boolean {
    const work = this.#work.shift();
    if (work === null) return false;
    work.run();
    return true;
  }

  /** Runs one queued item or, when none is queued, the next timer at its time; false when there was neither. */
  step(): boolean {
    return this.runOne() || this.#fireNextBefore(Number.POSITIVE_INFINITY);
  }

  /**
   * Runs work and timers, moving the clock to each deadline, until nothing is left.
   *
   * @throws BlkBug after `limit` steps: something re-arms itself for ever.
   */
  runUntilIdle(limit = 1_000_000): void {
    for (let step = 0; step < limit; step++) {
      if (!this.step()) return;
    }
    throw new BlkBug(`the simulation is still busy after ${limit} steps`);
  }

  /** Moves the clock by `ms`, running what falls due on the way and the work it queues. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    do {
      while (this.runOne());
    } while (this.#fireNextBefore(until));
    this.#nowMs = until;
  }

  #fireNextBefore(untilMs: number): boolean {
    const timer = this.#firstTimer;
    if (timer === null || timer.deadlineMs > untilMs) return false;
    this.#firstTimer = timer.next;
    timer.next = null;
    timer.pending = false;
    this.#nowMs = Math.max(this.#nowMs, timer.deadlineMs);
    timer.run();
    return true;
  }
}
