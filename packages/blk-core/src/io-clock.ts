import type { Executor } from "./executor.js";

/**
 * The executor's clock for I/O statistics, read once per submission or plug: reading it for every bio costs more than it
 * tells.
 *
 * @kernel block/blk.h: blk_time_get_ns
 */
export class IoClock {
  /** Milliseconds, as of the last `refresh`. A field, because V8 allocates a number that a call returns. */
  ms: number = Number.NaN;
  readonly #executor: Pick<Executor, "nowMs">;
  #held = false;
  /** Whether `ms` may be of an earlier time. */
  #isStale = true;

  constructor(executor: Pick<Executor, "nowMs">) {
    this.#executor = executor;
  }

  /** Brings `ms` up to date, if it has not been since `hold`. */
  refresh(): void {
    if (this.#isStale) this.#read();
  }

  /** From here to `release` it is read once, on first use. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#isStale = true;
  }

  #read(): void {
    this.ms = this.#executor.nowMs();
    this.#isStale = !this.#held;
  }
}
