import { BlkBug, type FailAlloc, type Quota } from "@inlinecrypt/blk-core";

export interface FailEachAllocationOptions {
  /**
   * Scenarios are small: one that allocates more often counts as endless.
   *
   * @default 100000
   */
  maxAllocations?: number;
}

/**
 * Makes one allocation of a block layer fail: hand `failAlloc` to the `BlockLayer`.
 *
 * A pool fails only while something of it is in use, as real ones do: whoever waits for an object then can rely on one
 * coming back.
 */
export class AllocationFaults {
  /** Every pool that was asked for something. */
  readonly pools: Set<Quota> = new Set();
  /** The pool whose allocation failed; null: there were not so many. */
  failed: string | null = null;
  /** For `BlockLayerOptions.failAlloc`. */
  readonly failAlloc: FailAlloc;
  #left: number;

  /** `nth` counts from 1 the allocations that can fail; 0: none does. */
  constructor(nth: number) {
    this.#left = nth;
    this.failAlloc = (pool) => {
      this.pools.add(pool);
      if (pool.inUse === 0 || this.#left === 0 || --this.#left > 0) return false;
      this.failed = pool.name;
      return true;
    };
  }
}

/**
 * Runs a scenario again and again: first its first allocation fails, then its second, and so on until there is none left
 * to fail. Each run makes everything anew with `faults.failAlloc`, and checks what has to be true whatever fails;
 * afterwards all pools must be full.
 *
 * @returns how many allocations were made to fail.
 * @throws BlkBug that names the allocation, with the scenario's error as its cause.
 */
export async function failEachAllocation(
  run: (faults: AllocationFaults) => void | Promise<void>,
  options: FailEachAllocationOptions = {},
): Promise<number> {
  const { maxAllocations = 100_000 } = options;
  for (let nth = 1; nth <= maxAllocations; nth++) {
    const faults = new AllocationFaults(nth);
    try {
      await run(faults);
      expectFull(faults);
    } catch (cause) {
      const { failed } = faults;
      const what = failed === null ? "without a failed allocation" : `with allocation ${nth} failing (${failed})`;
      throw new BlkBug(`the scenario fails ${what}: ${(cause as Error).message}`, { cause });
    }
    if (faults.failed === null) return nth - 1;
  }
  throw new BlkBug(`the scenario still allocates after ${maxAllocations} allocations`);
}

function expectFull(faults: AllocationFaults): void {
  for (const pool of faults.pools) {
    if (pool.inUse > 0) throw new BlkBug(`pool ${pool.name} misses ${pool.inUse} objects`);
  }
}
