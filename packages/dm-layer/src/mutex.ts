/** Runs operations one after the other, first come first served. @kernel mapped_device.suspend_lock */
export class Mutex {
  #tail: Promise<unknown> = Promise.resolve();

  run<T>(op: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(op);
    this.#tail = result.catch(() => {});
    return result;
  }
}
