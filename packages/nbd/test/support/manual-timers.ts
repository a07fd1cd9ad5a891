import { type Executor, HostExecutor, type Timer, type WorkItem } from "@inlinecrypt/blk-core";

/** Work runs on the host's event loop, as sockets need; time passes only when a test says so. */
export class ManualTimers implements Executor {
  readonly #host = new HostExecutor();
  readonly #timers = new Set<Timer>();
  #nowMs = 0;
  /** Work items queued so far. */
  workCount = 0;

  nowMs(): number {
    return this.#nowMs;
  }

  queueWork(work: WorkItem): void {
    this.workCount++;
    this.#host.queueWork(work);
  }

  addTimer(timer: Timer, delayMs: number): void {
    timer.pending = true;
    timer.deadlineMs = this.#nowMs + delayMs;
    this.#timers.add(timer);
  }

  cancelTimer(timer: Timer): void {
    timer.pending = false;
    this.#timers.delete(timer);
  }

  get armedCount(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers].sort((a, b) => a.deadlineMs - b.deadlineMs)) {
      if (timer.deadlineMs > this.#nowMs || !timer.pending) continue;
      this.cancelTimer(timer);
      timer.run();
    }
  }
}
