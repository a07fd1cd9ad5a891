/**
 * Has control paths run one after the other, in the order in which they came.
 *
 * @kernel include/linux/mutex.h
 */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `run` when those before it have ended, however they ended. */
  exclusive<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run);
    this.#last = result.catch(() => {});
    return result;
  }
}
