import { BlkBug } from "./errors.js";

/** Waits for an object of an exhausted pool; embed one in whatever waits, so that waiting allocates nothing. */
export class PoolWaiter {
  next: PoolWaiter | null = null;
  waiting = false;
  /** Runs once when an object may be free; it asks the pool again and, finding none, waits again. */
  readonly wake: () => void;

  constructor(wake: () => void) {
    this.wake = wake;
  }
}

/**
 * Asked at each allocation from a pool of a block layer; true: the pool answers as if all its objects were in use.
 *
 * @kernel mm/failslab.c: should_failslab
 */
export type FailAlloc = (pool: Pool<unknown>) => boolean;

/**
 * A bounded pool: at most `capacity` objects exist, made on first use, kept for ever. Running out is an answer, not an
 * error: the caller gives up (NOWAIT) or waits.
 *
 * @kernel mm/mempool.c
 */
export class Pool<T> {
  /** What the pool holds, for messages and leak reports. */
  readonly name: string;
  readonly capacity: number;
  readonly #create: () => T;
  readonly #failAlloc: FailAlloc | null;
  readonly #free: T[] = [];
  /** How many of `#free` are free: those from the start. */
  #freeCount = 0;
  #created = 0;
  #firstWaiter: PoolWaiter | null = null;
  #lastWaiter: PoolWaiter | null = null;

  constructor(name: string, capacity: number, create: () => T, failAlloc: FailAlloc | null = null) {
    if (!Number.isInteger(capacity) || capacity < 1) throw new BlkBug(`pool ${name}: capacity must be 1 or more`);
    this.name = name;
    this.capacity = capacity;
    this.#create = create;
    this.#failAlloc = failAlloc;
  }

  /** Objects handed out and not given back. */
  get inUse(): number {
    return this.#created - this.#freeCount;
  }

  /** An object, or null when all are in use. */
  tryGet(): T | null {
    if (this.#failAlloc?.(this) === true) return null;
    if (this.#freeCount === 0) return this.#tryCreate();
    this.#freeCount--;
    return this.#free[this.#freeCount]!;
  }

  /** Gives an object back and wakes the waiter that has waited longest. */
  put(object: T): void {
    if (this.#freeCount === this.#created) throw new BlkBug(`pool ${this.name}: more objects came back than went out`);
    this.#free[this.#freeCount] = object;
    this.#freeCount++;
    if (this.#firstWaiter !== null) this.#wake(this.#firstWaiter);
  }

  /** Queues a waiter, first come first served; one that waits already keeps its place. */
  wait(waiter: PoolWaiter): void {
    if (waiter.waiting) return;
    waiter.waiting = true;
    if (this.#lastWaiter === null) this.#firstWaiter = waiter;
    else this.#lastWaiter.next = waiter;
    this.#lastWaiter = waiter;
  }

  #tryCreate(): T | null {
    if (this.#created === this.capacity) return null;
    this.#created++;
    return this.#create();
  }

  /** Takes the first waiter out of the line, and lets it ask again. */
  #wake(waiter: PoolWaiter): void {
    this.#firstWaiter = waiter.next;
    if (this.#firstWaiter === null) this.#lastWaiter = null;
    waiter.next = null;
    waiter.waiting = false;
    waiter.wake();
  }
}
