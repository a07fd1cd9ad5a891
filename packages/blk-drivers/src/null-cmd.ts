import { type Executor, Timer } from "@inlinecrypt/blk-core";

/**
 * Ends one I/O after a while: what a null disk keeps for each that may be under way.
 *
 * @kernel drivers/block/null_blk/null_blk.h: nullb_cmd
 */
export class NullCmd<T> {
  readonly #timer = new Timer(() => this.#expired());
  readonly #end: (io: T) => void;
  #io: T | null = null;

  constructor(end: (io: T) => void) {
    this.#end = end;
  }

  /** Ends `io` in `delayMs`. */
  start(executor: Executor, io: T, delayMs: number): void {
    this.#io = io;
    executor.addTimer(this.#timer, delayMs);
  }

  /** @kernel drivers/block/null_blk/main.c: null_cmd_timer_expired */
  #expired(): void {
    const io = this.#io!;
    this.#io = null;
    this.#end(io);
  }
}
