import { BlkStatus, mqDeadline, noneElevator, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { expectNoLeaks, makeBio, makeRig, type Rig } from "./support.js";

const SEED = 2026;
const OPS = [ReqOp.READ, ReqOp.WRITE, ReqOp.WRITE | ReqFlag.FUA, ReqOp.READ | ReqFlag.NOWAIT];

const anyStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("submit" as const), value: fc.nat(), again: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "complete",
        "requeue",
        "refuse",
        "fail",
        "run",
        "resize",
        "quiesce",
        "freeze",
        "elevator",
        "close",
      ),
      value: fc.nat(),
      again: fc.constant(0),
    }),
  },
);
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never;

/** A queue under random load, whose submitters send the next bio where one ends, and whose owner changes its mind. */
class Load {
  readonly rig: Rig;
  submitted = 0;
  ended = 0;
  readonly changes: Promise<unknown>[] = [];
  #quiesced = 0;
  #frozen = 0;

  constructor(depth: number, nrRequests: number) {
    this.rig = makeRig({ queueDepth: depth, nrRequests, limits: { maxSectors: 16, writeCache: true } });
  }

  take({ kind, value, again }: Step): void {
    const { driver, queue, executor } = this.rig;
    const rq = driver.taken[value % Math.max(driver.taken.length, 1)];
    switch (kind) {
      case "submit":
        return this.#submit(value, again);
      case "complete":
        return this.#withoutTaken(value)?.complete(value % 5 === 0 ? BlkStatus.MEDIUM : BlkStatus.OK);
      case "requeue":
        if (rq !== undefined) queue.requeue(this.#withoutTaken(value)!);
        return;
      case "refuse":
        driver.answers.push(BlkStatus.RESOURCE);
        return;
      case "fail":
        driver.synchronous = [null, BlkStatus.OK, BlkStatus.OFFLINE][value % 3]!;
        return;
      case "run":
        return void executor.step();
      case "resize":
        return queue.setNrRequests(1 + (value % 4));
      case "quiesce":
        return this.#quiesce();
      case "freeze":
        return this.#freeze();
      case "close":
        if (value % 8 === 0) this.close();
        return;
      default:
        this.changes.push(queue.setElevator(value % 2 === 0 ? noneElevator : mqDeadline()));
    }
  }

  /** Refuses what comes from now on, and looks whether anything is left when that is done. */
  close(): void {
    const { disk, queue, executor } = this.rig;
    const closed = disk.close().then(() => {
      expect(queue.inFlight).toBe(0);
      while (executor.runOne());
      expect(executor.isIdle).toBe(true);
    });
    this.changes.push(closed);
  }

  /** Everything goes on until nothing is left. */
  async settle(): Promise<void> {
    const { driver, queue, executor } = this.rig;
    for (let turn = 0; turn < 300; turn++) {
      for (; this.#quiesced > 0; this.#quiesced--) queue.unquiesce();
      for (; this.#frozen > 0; this.#frozen--) queue.unfreeze();
      driver.completeAll();
      executor.step();
      await null;
    }
    this.close();
    await Promise.all(this.changes);
  }

  #quiesce(): void {
    const { queue } = this.rig;
    if (this.#quiesced > 0) queue.unquiesce();
    else queue.quiesce();
    this.#quiesced = 1 - this.#quiesced;
  }

  #freeze(): void {
    const { queue } = this.rig;
    if (this.#frozen > 0) queue.unfreeze();
    else this.changes.push(queue.freeze());
    this.#frozen = 1 - this.#frozen;
  }

  #withoutTaken(value: number): Rig["driver"]["taken"][number] | undefined {
    const { taken } = this.rig.driver;
    return taken.splice(value % Math.max(taken.length, 1), 1)[0];
  }

  #submit(value: number, again: number): void {
    const { bio } = makeBio(this.rig, 8 * (value % 20), 8 * (1 + (value % 4)), { op: OPS[value % OPS.length]! });
    this.submitted++;
    bio.onEndIo = () => {
      this.ended++;
      bio.put();
      if (again > 0) this.#submit(value + 7, again - 1);
      if (value % 50 === 0) this.close();
    };
    this.rig.layer.submitBio(bio);
  }
}

it("every bio ends once and nothing is left, whatever ends, is refused or changed in which order", async () => {
  const anyRun = fc.record({
    depth: fc.integer({ min: 1, max: 3 }),
    nrRequests: fc.integer({ min: 1, max: 4 }),
    steps: fc.array(anyStep, { minLength: 10, maxLength: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(anyRun, async ({ depth, nrRequests, steps }) => {
      const load = new Load(depth, nrRequests);
      for (const step of steps) {
        load.take(step);
        if (step.value % 3 === 0) await null;
      }
      await load.settle();
      expect(load.ended).toBe(load.submitted);
      expectNoLeaks(load.rig);
      expect(load.rig.queue.tagSet.inUse).toBe(0);
    }),
    { seed: SEED, numRuns: 500 },
  );
}, 60_000);
