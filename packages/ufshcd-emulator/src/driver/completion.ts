import { type Executor, Timer } from "@inlinecrypt/blk-core";

/**
 * Something a control path waits for, never for ever. One waits at a time.
 *
 * @kernel include/linux/completion.h
 */
export class Completion {
  readonly #executor: Executor;
  readonly #timer: Timer = new Timer(() => this.#answer(false));
  #done = false;
  #resolve: ((done: boolean) => void) | null = null;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  /** Forgets that it completed. */
  reset(): void {
    this.#done = false;
  }

  /** It happened: the waiter, or the next one, goes on. */
  complete(): void {
    this.#done = true;
    this.#executor.cancelTimer(this.#timer);
    this.#answer(true);
  }

  /** True once it has happened, false when `timeoutMs` have passed first. */
  wait(timeoutMs: number): Promise<boolean> {
    if (this.#done) return Promise.resolve(true);
    this.#executor.addTimer(this.#timer, timeoutMs);
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  #answer(done: boolean): void {
    const resolve = this.#resolve;
    this.#resolve = null;
    resolve?.(done);
  }
}

/** Resolves after `ms`. */
export function sleep(executor: Executor, ms: number): Promise<void> {
  return new Promise((resolve) => executor.addTimer(new Timer(resolve), ms));
}

/** Asks `isTrue` at once and then every `intervalMs`; false when it was not true within `timeoutMs`. */
export async function pollUntil(
  executor: Executor,
  isTrue: () => boolean,
  intervalMs: number,
  timeoutMs: number,
): Promise<boolean> {
  for (let waitedMs = 0; !isTrue(); waitedMs += intervalMs) {
    if (waitedMs >= timeoutMs) return false;
    await sleep(executor, intervalMs);
  }
  return true;
}
