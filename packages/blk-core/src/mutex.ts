/**
 * Has control paths run one after the other, in the order in which they came.
 *
 * @kernel kernel/locking/mutex.c
 */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `op` when those before it have ended, however they ended. */
  run<T>(op: () => Promise<T>): Promise<T> {
    const result = this.#last.then(op);
    this.#last = result.catch(() => {});
    return result;
  }
}
