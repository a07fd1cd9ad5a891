import { BlkBug } from "./errors.js";

/** Waits for what a quota bounds, or for an object of a pool; embed one in whatever waits, so that waiting allocates nothing. */
export class PoolWaiter {
  next: PoolWaiter | null = null;
  waiting = false;
  /** Runs once when there may be one; it asks again and, refused, waits again. */
  readonly wake: () => void;

  constructor(wake: () => void) {
    this.wake = wake;
  }
}

/**
 * Asked at each allocation of a block layer; true: the answer is as if all were in use.
 *
 * @kernel mm/failslab.c: should_failslab
 */
export type FailAlloc = (quota: Quota) => boolean;

/**
 * Bounds how many of something are in use at a time. Having none left is an answer, not an error: the caller gives up
 * (NOWAIT) or waits.
 */
export class Quota {
  /** Of what, for messages and leak reports. */
  readonly name: string;
  readonly capacity: number;
  /** Taken and not given back. */
  inUse = 0;
  readonly #failAlloc: FailAlloc | null;
  #firstWaiter: PoolWaiter | null = null;
  #lastWaiter: PoolWaiter | null = null;

  constructor(name: string, capacity: number, failAlloc: FailAlloc | null = null) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new BlkBug(`${name}: capacity must be 1 or more`);
    this.name = name;
    this.capacity = capacity;
    this.#failAlloc = failAlloc;
  }

  /** False when all are in use. @context hot */
  tryTake(): boolean {
    if (this.#failAlloc?.(this)) return false;
    if (this.inUse === this.capacity) return false;
    this.inUse++;
    return true;
  }

  /** Wakes the waiter that has waited longest. @context hot. @throws BlkBug when none is in use. */
  giveBack(): void {
    if (this.inUse === 0) this.refuseReturn();
    this.inUse--;
    if (this.#firstWaiter !== null) this.#wakeFirst();
  }

  /** Queues a waiter, first come first served; one that waits already keeps its place. */
  wait(waiter: PoolWaiter): void {
    if (waiter.waiting) return;
    waiter.waiting = true;
    if (this.#lastWaiter === null) this.#firstWaiter = waiter;
    else this.#lastWaiter.next = waiter;
    this.#lastWaiter = waiter;
  }

  protected refuseReturn(): never {
    throw new BlkBug(`${this.name}: more came back than went out`);
  }

  /** Takes the first waiter out of the line, and lets it ask again. */
  #wakeFirst(): void {
    const waiter = this.#firstWaiter!;
    this.#firstWaiter = waiter.next;
    if (this.#firstWaiter === null) this.#lastWaiter = null;
    waiter.next = null;
    waiter.waiting = false;
    waiter.wake();
  }
}
