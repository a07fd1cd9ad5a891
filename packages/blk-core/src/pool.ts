import { type FailAlloc, Quota } from "./quota.js";

/**
 * A bounded pool: at most `capacity` objects exist, made on first use, kept for ever.
 *
 * @kernel mm/mempool.c
 */
export class Pool<T> extends Quota {
  readonly #create: () => T;
  readonly #free: T[] = [];
  /** How many of `#free` are free: those from the start. */
  #freeCount = 0;

  constructor(name: string, capacity: number, create: () => T, failAlloc: FailAlloc | null = null) {
    super(name, capacity, failAlloc);
    this.#create = create;
  }

  /** An object, or null when all are in use. @context hot */
  tryGet(): T | null {
    if (!this.tryTake()) return null;
    if (this.#freeCount === 0) return this.#create();
    this.#freeCount--;
    return this.#free[this.#freeCount]!;
  }

  /** Gives an object back and wakes the waiter that has waited longest. @context hot. @throws BlkBug when none is out. */
  put(object: T): void {
    if (this.inUse === 0) this.refuseReturn();
    this.#free[this.#freeCount] = object;
    this.#freeCount++;
    this.giveBack();
  }
}
