import { type Executor, Timer, WorkItem } from "@inlinecrypt/blk-core";
import type { ControllerClock } from "./controller/index.js";

const NS_PER_MS = 1_000_000;

/** Lets a controller run on a block layer's executor: on the simulated one, hardware too is deterministic. */
export class ExecutorClock implements ControllerClock {
  readonly #executor: Executor;
  readonly #work: WorkItem = new WorkItem(() => this.#runBatch());
  #deferred: (() => void)[] = [];
  #running: (() => void)[] = [];

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
    this.#executor.queueWork(this.#work);
  }

  after(delayNs: number, run: () => void): () => void {
    const timer = new Timer(run);
    this.#executor.addTimer(timer, delayNs / NS_PER_MS);
    return () => this.#executor.cancelTimer(timer);
  }

  /** What this defers waits for the next batch. */
  #runBatch(): void {
    const batch = this.#deferred;
    this.#deferred = this.#running;
    this.#running = batch;
    for (let index = 0; index < batch.length; index++) batch[index]!();
    batch.length = 0;
  }
}
