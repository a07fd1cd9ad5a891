/**
 * Lets one low-level op run at a time. The I/O path only tries; control paths wait in order.
 *
 * @kernel block/blk-crypto-profile.c: blk_crypto_hw_enter, blk_crypto_hw_exit (the lock, not the power management)
 */
export class OpLock {
  readonly #waiting: (() => void)[] = [];
  readonly #onFree: () => void;
  #held = false;

  /** `onFree` runs whenever the lock is released and nobody on a control path wants it. */
  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  tryAcquire(): boolean {
    if (this.#held) return false;
    this.#held = true;
    return true;
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) return next();
    this.#held = false;
    this.#onFree();
  }

  /** Runs `op` under the lock. A synchronous `op` that finds the lock free has run, and released, when this returns. */
  async run(op: () => void | Promise<void>): Promise<void> {
    if (!this.tryAcquire()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const settled = op();
      if (settled !== undefined) await settled;
    } finally {
      this.release();
    }
  }
}
