import { parseArgs } from "node:util";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { type SimulationResult, simulate } from "./simulate.js";
import { type WorldKind, worldKinds } from "./world.js";

const usage = "usage: pnpm sim [--seed SEED] [--seeds COUNT] [--events I/Os-A-SEED] [--disks any|sim|ufs|dm]";

/** The seeds to run: numbers count up from the first; any other text is one seed. */
function seedsFrom(first: string, count: number): string[] {
  if (!/^\d+$/.test(first)) return [first];
  return Array.from({ length: count }, (_, index) => String(Number(first) + index));
}

/** Runs seeds in order; the first violation ends it with 1 and the command that replays it. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "1" },
      events: { type: "string", default: "10000" },
      disks: { type: "string", default: "any" },
    },
  });
  const [count, ios] = [Number(values.seeds), Number(values.events)];
  if (![count, ios].every((value) => Number.isSafeInteger(value) && value > 0)) {
    console.error(`${usage}\nboth counts are whole numbers above 0`);
    return 2;
  }
  const { disks: kind } = values;
  if (!isWorldKind(kind)) {
    console.error(`${usage}\nno such disks: ${kind}`);
    return 2;
  }
  const engine = createNodeEngine();
  const total: Record<string, number> = {};
  const seeds = seedsFrom(values.seed, count);
  for (const [index, seed] of seeds.entries()) {
    try {
      add(total, await simulate({ seed, ios, engine, kind }));
    } catch (error) {
      console.error(`seed ${seed}:`, error, `\nreplay: pnpm sim --seed ${seed} --events ${ios} --disks ${kind}`);
      return 1;
    }
    if ((index + 1) % 100 === 0) console.log(`${index + 1} seeds, ${total.ios} I/Os`);
  }
  console.log(`no violation in ${seeds.length} seeds from ${values.seed}:`, total);
  return 0;
}

function isWorldKind(text: string): text is WorldKind {
  return worldKinds.some((kind) => kind === text);
}

function add(total: Record<string, number>, { seed: _seed, ...counts }: SimulationResult): void {
  for (const [name, count] of Object.entries(counts)) total[name] = (total[name] ?? 0) + count;
}

process.exitCode = await main();
