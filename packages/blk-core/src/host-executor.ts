import { type Executor, type Timer, type WorkItem, WorkList } from "./executor.js";

// Declared here so that the package needs neither Node's nor a browser's types: every runtime has these, or the fallback.
declare function setTimeout(callback: () => void, delayMs: number): unknown;
declare function clearTimeout(handle: unknown): void;
declare const performance: { now(): number };
declare const setImmediate: ((callback: () => void) => unknown) | undefined;

/** The host's timers take no more: a longer delay would be over at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Held, because Node looks the global up anew each time. */
const hostClock = performance;

/** Runs a block layer on the host's event loop. */
export class HostExecutor implements Executor {
  readonly #pending = new WorkList();
  readonly #batch = new WorkList();
  #scheduled = false;
  readonly #defer: (callback: () => void) => unknown =
    typeof setImmediate === "function" ? setImmediate : (callback) => setTimeout(callback, 0);
  readonly #drain = (): void => this.#runBatch();

  nowMs(): number {
    return hostClock.now();
  }

  queueWork(work: WorkItem): void {
    if (work.queued) return;
    this.#pending.push(work);
    this.#schedule();
  }

  addTimer(timer: Timer, delayMs: number): void {
    this.cancelTimer(timer);
    timer.pending = true;
    timer.deadlineMs = this.nowMs() + delayMs;
    this.#arm(timer, delayMs);
  }

  cancelTimer(timer: Timer): void {
    if (!timer.pending) return;
    timer.pending = false;
    clearTimeout(timer.handle);
  }

  #arm(timer: Timer, delayMs: number): void {
    if (delayMs > MAX_DELAY_MS) {
      timer.handle = setTimeout(() => this.#arm(timer, timer.deadlineMs - this.nowMs()), MAX_DELAY_MS);
      return;
    }
    timer.handle = setTimeout(() => {
      timer.pending = false;
      timer.run();
    }, delayMs);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#defer(this.#drain);
  }

  /** Runs what was queued before this turn; what that queues waits for the next, so sockets and files get theirs. */
  #runBatch(): void {
    this.#scheduled = false;
    if (this.#batch.isEmpty) this.#batch.takeAll(this.#pending);
    try {
      for (let work = this.#batch.shift(); work !== null; work = this.#batch.shift()) work.run();
    } finally {
      if (!this.#batch.isEmpty || !this.#pending.isEmpty) this.#schedule();
    }
  }
}
