/** Counts I/O under way, and lets one at a time wait until there is none. @kernel drivers/md/dm.c: dm_wait_for_completion */
export class InFlightIo {
  #count = 0;
  #settle: ((idle: boolean) => void) | null = null;

  get count(): number {
    return this.#count;
  }

  start(): void {
    this.#count++;
  }

  done(): void {
    this.#count--;
    if (this.#count === 0 && this.#settle !== null) this.#end(true);
  }

  /** Resolves to true when there is none, or at `cancel` to false. */
  whenIdle(): Promise<boolean> {
    if (this.#count === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  cancel(): void {
    this.#end(false);
  }

  #end(idle: boolean): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(idle);
  }
}
