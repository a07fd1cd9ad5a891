import { BlkBug } from "./errors.js";

/**
 * Counts what a queue has taken and not ended, and through that lets others wait until it is idle: for good (drain) or
 * for a while (freeze).
 *
 * @kernel include/linux/blkdev.h: request_queue.q_usage_counter
 */
export class QueueUsage {
  #count = 0;
  #freezeDepth = 0;
  #state: "live" | "draining" | "dead" = "live";
  #drained: Promise<void> | null = null;
  /** Null: nobody waits. */
  #idleWaiters: (() => void)[] | null = null;

  /** Bios or requests taken and not ended. */
  get count(): number {
    return this.#count;
  }

  get isLive(): boolean {
    return this.#state === "live";
  }

  /** Whether new bios have to wait. */
  get isFrozen(): boolean {
    return this.#freezeDepth > 0;
  }

  /** @kernel block/blk-core.c: blk_queue_enter */
  enter(): void {
    this.#count++;
  }

  /** @kernel block/blk-core.c: blk_queue_exit */
  exit(): void {
    if (this.#count === 0) throw endedTooMuch();
    this.#count--;
    if (this.#idleWaiters !== null && this.#count === 0) this.#wake(this.#idleWaiters);
  }

  /** @kernel block/blk-mq.c: blk_freeze_queue_start, blk_mq_freeze_queue_wait */
  freeze(): Promise<void> {
    this.#freezeDepth++;
    return this.#idle();
  }

  /** True when this was the last one. @kernel block/blk-mq.c: blk_mq_unfreeze_queue */
  unfreeze(): boolean {
    if (this.#freezeDepth === 0) throw new BlkBug("a queue is unfrozen that was not frozen");
    this.#freezeDepth--;
    return this.#freezeDepth === 0;
  }

  /** Live no longer; resolves when the rest has ended. */
  drain(): Promise<void> {
    this.#drained ??= this.#startDrain();
    return this.#drained;
  }

  async #startDrain(): Promise<void> {
    this.#state = "draining";
    // Bios that the block layer has checked and not handed over, and the rest of one that is split, come yet: before
    // promises run.
    do await this.#idle();
    while (this.#count > 0);
    this.#state = "dead";
  }

  #idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    this.#idleWaiters ??= [];
    const waiters = this.#idleWaiters;
    return new Promise((resolve) => waiters.push(resolve));
  }

  #wake(waiters: (() => void)[]): void {
    this.#idleWaiters = null;
    for (const wake of waiters) wake();
  }
}

function endedTooMuch(): BlkBug {
  return new BlkBug("a queue ended more than it took");
}
