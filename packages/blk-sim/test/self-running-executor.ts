import type { Timer, WorkItem } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";

/** Simulated time that runs by itself, for suites that only await: a step each turn of the event loop. */
export class SelfRunningExecutor extends SimExecutor {
  #running = false;

  override queueWork(work: WorkItem): void {
    super.queueWork(work);
    this.#start();
  }

  override addTimer(timer: Timer, delayMs: number): void {
    super.addTimer(timer, delayMs);
    this.#start();
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#running = this.step();
    if (this.#running) setImmediate(() => this.#turn());
  }
}
