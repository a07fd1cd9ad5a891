/** Runs all steps, one after the other, whatever becomes of those before. @throws what failed first. */
export async function runAll(steps: readonly (() => unknown)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** The same for steps that do not wait. */
export function runAllNow(steps: readonly (() => void)[]): void {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      step();
    } catch (failure) {
      failures.push(failure);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Undoes what a failure has left behind. @throws the failure, whatever becomes of that. */
export async function throwAfter(failure: unknown, undo: () => Promise<void>): Promise<never> {
  await undo().catch(() => {});
  throw failure;
}
