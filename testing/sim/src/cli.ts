import { parseArgs } from "node:util";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { type SimulationResult, simulate } from "./simulate.js";

const usage = "usage: pnpm sim [--seed N] [--seeds COUNT] [--ios COUNT-A-SEED]";

/** Runs seeds in order; the first violation ends it with 1 and the command that replays it. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "1" },
      ios: { type: "string", default: "10000" },
    },
  });
  const [first, count, ios] = [values.seed, values.seeds, values.ios].map(Number) as [number, number, number];
  if (![first, count, ios].every((value) => Number.isSafeInteger(value) && value >= 0)) {
    console.error(`${usage}\nall values are whole numbers`);
    return 2;
  }
  const engine = createNodeEngine();
  const total = {
    ios: 0,
    failed: 0,
    powerCuts: 0,
    faults: 0,
    keyChanges: 0,
    reconfigurations: 0,
    allocationsFailed: 0,
    unitsCompared: 0,
  };
  for (let seed = first; seed < first + count; seed++) {
    try {
      add(total, await simulate({ seed, ios, engine }));
    } catch (error) {
      console.error(`seed ${seed}:`, error, `\nreplay: pnpm sim --seed ${seed} --ios ${ios}`);
      return 1;
    }
    if ((seed - first + 1) % 100 === 0) console.log(`${seed - first + 1} seeds, ${total.ios} I/Os`);
  }
  console.log(`${count} seeds from ${first}: no violation`, total);
  return 0;
}

function add(total: Record<string, number>, { seed: _seed, ...counts }: SimulationResult): void {
  for (const [name, count] of Object.entries(counts)) total[name] = total[name]! + count;
}

process.exitCode = await main();
