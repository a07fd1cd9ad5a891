import { BlkBug, HostExecutor, WorkItem } from "@inlinecrypt/blk-core";
import type { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";

/** Turns of the host's event loop without anything to simulate, after which a promise counts as stuck. */
const IDLE_TURNS = 100;

/**
 * Runs a simulation until a promise settles, and returns what it settles to. After each step the promises that the step
 * resolved go on, so `await`s see the simulated time at which they were resolved, the same in every run.
 *
 * @throws BlkBug when nothing is left to run and the promise is still pending: an end was lost.
 */
export async function runUntilSettled<T>(executor: SimExecutor, promise: Promise<T>): Promise<T> {
  const host = new HostExecutor();
  let settled = false;
  const onSettled = (): void => {
    settled = true;
  };
  promise.then(onSettled, onSettled);
  for (let idleTurns = 0; idleTurns < IDLE_TURNS; ) {
    await new Promise<void>((resolve) => host.queueWork(new WorkItem(resolve)));
    if (settled) return promise;
    idleTurns = executor.step() ? 0 : idleTurns + 1;
  }
  throw new BlkBug("the simulation has nothing left to run and the promise is still pending");
}
