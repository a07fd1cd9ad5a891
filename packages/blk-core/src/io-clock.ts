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
  /** Counts what goes for one point in time: a submission, a plug, or else a reading. */
  moment = 0;
  /** The moment that `ms` is of. */
  msMoment = -1;
  readonly #executor: Pick<Executor, "nowMs">;
  #held = false;

  constructor(executor: Pick<Executor, "nowMs">) {
    this.#executor = executor;
  }

  /** Brings `ms` up to date, if it has not been in this moment. */
  refresh(): void {
    if (this.msMoment !== this.moment) this.#read();
  }

  /** From here to `release` is one moment: the clock is read once, on first use. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.moment++;
  }

  #read(): void {
    this.ms = this.#executor.nowMs();
    this.msMoment = this.moment;
    if (!this.#held) this.moment++;
  }
}
