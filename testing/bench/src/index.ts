import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

const MEASURE = "measure";

/**
 * What `measure` returns in each of `count` new processes that run the module `url`, one after the other. Null in those
 * processes: they have sent it.
 *
 * @throws Error when one of them ends without having measured
 */
export async function samplesOf<Sample>(
  url: string,
  count: number,
  measure: () => Sample | Promise<Sample>,
): Promise<Sample[] | null> {
  if (process.argv[2] === MEASURE) {
    process.send!(await measure());
    return null;
  }
  const samples: Sample[] = [];
  while (samples.length < count) samples.push(await measuredBy(url));
  return samples;
}

function measuredBy<Sample>(url: string): Promise<Sample> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(url), [MEASURE]);
    child.on("message", (sample: Sample) => resolve(sample));
    child.on("exit", (code) => reject(new Error(`a measuring process ended with ${code}`)));
  });
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}
