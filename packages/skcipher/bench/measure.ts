const WARM_UP_MS = 150;
const ROUNDS = 9;
const ROUND_MS = 40;

/** MB/s of calling `run`, which works on `bytes` bytes, for at least `milliseconds`. */
function megabytesPerSecond(run: () => void, bytes: number, milliseconds: number): number {
  const start = performance.now();
  let calls = 0;
  let elapsed = 0;
  while (elapsed < milliseconds) {
    run();
    calls++;
    elapsed = performance.now() - start;
  }
  return (calls * bytes) / elapsed / 1000;
}

/**
 * The median speed of each of `runs`. They take turns, so that what else the machine does meets all of them alike.
 *
 * @param bytes - how many bytes each run works on
 */
export function medianMegabytesPerSecond(runs: readonly (() => void)[], bytes: number): number[] {
  for (const run of runs) megabytesPerSecond(run, bytes, WARM_UP_MS);
  const speeds: number[][] = runs.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    runs.forEach((run, i) => {
      speeds[i]!.push(megabytesPerSecond(run, bytes, ROUND_MS));
    });
  }
  return speeds.map((measured) => measured.sort((a, b) => a - b)[ROUNDS >> 1]!);
}
