/**
 * Remembers how to undo what was acquired, and undoes it last first: for a whole stack at its end, or for the half of one
 * that was there when the next part failed.
 *
 * @kernel drivers/base/devres.c: devm_add_action
 */
export class Unwinder implements AsyncDisposable {
  readonly #undos: (() => unknown)[] = [];
  #unwinding: Promise<void> | null = null;

  /** Registers the undo of an acquisition that has just succeeded. */
  defer(undo: () => unknown): void {
    this.#undos.push(undo);
  }

  /**
   * Undoes everything, also what comes after an undo that failed. Idempotent.
   *
   * @throws what the only undo that failed threw, or an AggregateError of them all
   */
  unwind(): Promise<void> {
    this.#unwinding ??= this.#run();
    return this.#unwinding;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.unwind();
  }

  async #run(): Promise<void> {
    const failures: unknown[] = [];
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      try {
        await undo();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, failures.map(messageOf).join("; "));
  }
}

function messageOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
