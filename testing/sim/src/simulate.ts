import { expectAtRest, runUntilSettled, SeededRandom } from "@inlinecrypt/blk-sim";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { Chaos, type ChaosCounts } from "./chaos.js";
import type { StackCounts } from "./dm/stack-device.js";
import { Load } from "./load.js";
import { compareWithReference } from "./reference.js";
import { Violation } from "./violation.js";
import { World, type WorldKind } from "./world.js";

export interface SimulationOptions {
  /** Replays the run. */
  seed: number | string;
  /** I/O to end before the run is checked and over. */
  ios: number;
  engine: SkcipherEngine;
  /** @default "any" */
  kind?: WorldKind;
}

export interface SimulationResult extends ChaosCounts, StackCounts {
  seed: number | string;
  /** I/O that ended, and how much of it not well. */
  ios: number;
  failed: number;
  /** Data units whose ciphertext was compared with the reference cipher. */
  unitsCompared: number;
}

/** Steps without an I/O ending after which something is stuck: a queue may ask again for a minute, every few milliseconds. */
const MAX_IDLE_STEPS = 500_000;

/**
 * Runs one random world under random load and chaos, in simulated time. Every read is checked against what the disk may
 * hold, every bio ends exactly once, no plaintext reaches a medium, and in the end everything is back where it belongs.
 *
 * @throws Violation, or BlkBug from the packages themselves.
 */
export async function simulate({ seed, ios, engine, kind = "any" }: SimulationOptions): Promise<SimulationResult> {
  const random = new SeededRandom(seed);
  const world = await World.create(random.fork("world"), engine, kind);
  const load = new Load(world, random.fork("load"));
  const chaos = new Chaos(world, load, random.fork("chaos"));
  const steps = random.fork("steps");
  for (let idle = 0; load.ended < ios; idle++) {
    const endedBefore = load.ended;
    chaos.tick();
    if (!load.isFull && steps.oneIn(3)) load.submitSome();
    else if (!world.executor.step()) load.submitSome();
    // Changes of elevators and keys go on in promises, and so does a driver's recovery.
    await world.runPromises();
    checkInvariants(world, load);
    if (load.ended > endedBefore) idle = 0;
    if (idle > MAX_IDLE_STEPS) throw new Violation(`${load.outstanding} bios do not end`);
  }
  await finish(world, load, chaos);
  const unitsCompared = compareWithReference(world, random.fork("reference"));
  await close(world);
  expectAtRest({
    layer: world.layer,
    queues: world.disks.flatMap(({ queues }) => queues),
    pools: world.pools,
    profiles: [world.fallback, ...world.disks.flatMap(({ profiles }) => profiles)],
  });
  return { seed, ios: load.ended, failed: load.failed, unitsCompared, ...chaos.counts, ...world.stackCounts };
}

/** Cheap enough for every step. */
function checkInvariants(world: World, load: Load): void {
  const { inUse } = world.layer.bioSet;
  if (inUse !== load.outstanding) throw new Violation(`${inUse} bios are in use, ${load.outstanding} are outstanding`);
}

/** Lets everything end, without faults, and reads all there is. */
async function finish(world: World, load: Load, chaos: Chaos): Promise<void> {
  chaos.end();
  for (let turn = 0; chaos.isChanging && turn < MAX_IDLE_STEPS; turn++) {
    world.executor.step();
    await world.runPromises();
  }
  await settle(world, load);
  load.failuresExpected = false;
  for (const region of world.regions) {
    load.readAll(region);
    await settle(world, load);
    load.flush(region);
    await settle(world, load);
  }
  for (const { medium } of world.disks) medium?.check();
}

/** Nothing that waits for time to pass may be left behind. */
async function close(world: World): Promise<void> {
  const { executor } = world;
  await runUntilSettled(executor, world.close());
  const closedMs = executor.nowMs();
  while (executor.step()) if (executor.nowMs() > closedMs) throw new Violation("a timer is left in a closed world");
}

/** Runs until nothing is left to run. A driver that recovers may do nothing but run promises for a while. */
async function settle(world: World, load: Load): Promise<void> {
  let outstanding = load.outstanding;
  for (let idle = 0; world.executor.step() || load.outstanding > 0; idle++) {
    if (load.outstanding < outstanding) idle = 0;
    outstanding = load.outstanding;
    if (idle > MAX_IDLE_STEPS) throw new Violation(`${outstanding} bios never end`);
    checkInvariants(world, load);
    await world.runPromises();
  }
}
