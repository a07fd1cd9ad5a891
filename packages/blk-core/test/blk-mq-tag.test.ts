import { BlkMqQueue, BlkMqTagSet, BlkStatus, BlockLayer, GenDisk, mqDeadline, ReqOp } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ManualDriver, makeBio, makeRig, type Rig, submit } from "./support.js";

/** Queues over one set of tags, as the logical units of one host have. */
function sharing(count: number, queueDepth: number, nrRequests = 64): { tagSet: BlkMqTagSet; units: Rig[] } {
  const executor = new SimExecutor();
  const layer = new BlockLayer({ executor });
  const tagSet = new BlkMqTagSet({ queueDepth });
  const units = Array.from({ length: count }, (_, index) => {
    const driver = new ManualDriver();
    const queue = new BlkMqQueue(layer, { ops: driver, tagSet, nrRequests });
    const disk = new GenDisk({ name: `unit${index}`, queue, sectorCount: 1 << 20 });
    return { executor, layer, queue, disk, driver };
  });
  return { tagSet, units };
}

/** Submits bios that do not merge. */
function submitMany(rig: Rig, count: number): BlkStatus[][] {
  return Array.from({ length: count }, (_, index) => submit(rig, index * 100, 1));
}

describe("a shared tag set", () => {
  it("bounds what the device has in flight; tags are unique over all queues", () => {
    const { tagSet, units } = sharing(2, 4);
    const [a, b] = units as [Rig, Rig];
    submitMany(a, 2);
    submitMany(b, 5);
    const tags = units.flatMap(({ driver }) => driver.taken.map((rq) => rq.tag));
    expect([tagSet.inUse, tags.sort()]).toEqual([4, [0, 1, 2, 3]]);
    for (const { driver } of units) driver.completeAll();
    b.driver.completeAll();
    expect([tagSet.inUse, a.queue.inFlight, b.queue.inFlight]).toEqual([0, 0, 0]);
  });

  it("gives a queue that comes late its share, and the rest when it is idle again", () => {
    const { units } = sharing(2, 16);
    const [a, b] = units as [Rig, Rig];
    submitMany(a, 40);
    expect(a.driver.taken).toHaveLength(16);
    submitMany(b, 40);
    expect(b.driver.taken).toHaveLength(0);
    for (let count = 0; count < 8; count++) a.driver.completeNext();
    expect([a.driver.taken.length, b.driver.taken.length]).toEqual([8, 8]);
    for (let count = 0; count < 40; count++) b.driver.completeNext();
    expect(b.queue.inFlight).toBe(0);
    expect(a.driver.taken).toHaveLength(16);
    a.driver.completeAll();
    expect(a.queue.inFlight).toBe(0);
  });

  it("serves queues that wait in turn", () => {
    const { units } = sharing(3, 1);
    for (const unit of units) submitMany(unit, 3);
    const served: number[] = [];
    for (let count = 0; count < 9; count++) {
      const owner = units.findIndex(({ driver }) => driver.taken.length > 0);
      served.push(owner);
      units[owner]!.driver.completeNext();
    }
    // The first has a tag, and asked for its second before the others asked for their first.
    expect(served).toEqual([0, 0, 1, 2, 0, 1, 2, 1, 2]);
    for (const { queue } of units) expect(queue.inFlight).toBe(0);
  });

  it("goes on when the queue whose turn it is must not issue", () => {
    const { tagSet, units } = sharing(3, 1);
    const [a, b, c] = units as [Rig, Rig, Rig];
    for (const unit of units) submitMany(unit, 1);
    b.queue.quiesce();
    a.driver.completeNext();
    expect([b.driver.taken.length, c.driver.taken.length]).toEqual([0, 1]);
    c.driver.completeNext();
    b.queue.unquiesce();
    b.driver.completeNext();
    expect(tagSet.inUse).toBe(0);
  });

  it("lets flushes of all queues through", () => {
    const executor = new SimExecutor();
    const layer = new BlockLayer({ executor });
    const tagSet = new BlkMqTagSet({ queueDepth: 1 });
    const rigs = [0, 1].map((index) => {
      const driver = new ManualDriver();
      const queue = new BlkMqQueue(layer, { ops: driver, tagSet, limits: { writeCache: true } });
      const disk = new GenDisk({ name: `unit${index}`, queue, sectorCount: 1024 });
      return { executor, layer, queue, disk, driver };
    });
    const ends = rigs.map((rig) => submit(rig, 0, 8, { op: ReqOp.WRITE | 0x60000 }));
    for (let count = 0; count < 6; count++) rigs.find(({ driver }) => driver.taken.length > 0)!.driver.completeNext();
    expect(ends).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    for (const { driver } of rigs) expect(driver.log).toEqual(["FLUSH 0+0", "WRITE 0+8", "FLUSH 0+0"]);
    expect(tagSet.inUse).toBe(0);
  });

  it("is given instead of a depth, and has a sensible size", () => {
    const { layer } = makeRig();
    const tagSet = new BlkMqTagSet();
    expect([tagSet.queueDepth, tagSet.nrHwQueues]).toEqual([128, 1]);
    const ops = new ManualDriver();
    expect(() => new BlkMqQueue(layer, { ops, tagSet, queueDepth: 4 })).toThrow(/expected one/);
    expect(() => new BlkMqTagSet({ queueDepth: 10241 })).toThrow(/queueDepth is 10241, expected 1 to 10240/);
    expect(() => new BlkMqTagSet({ nrHwQueues: 0 })).toThrow(/nrHwQueues is 0/);
  });

  it("under any load ends each bio once, never exceeds its depth, and starves nobody", () => {
    const step = fc.record({ unit: fc.nat(2), submit: fc.nat(4), complete: fc.nat(3), refuse: fc.nat(9) });
    const load = fc.record({
      depth: fc.integer({ min: 1, max: 9 }),
      nrRequests: fc.integer({ min: 1, max: 12 }),
      steps: fc.array(step, { maxLength: 60 }),
    });
    fc.assert(
      fc.property(load, ({ depth, nrRequests, steps }) => {
        const { tagSet, units } = sharing(3, depth, nrRequests);
        const ends: BlkStatus[][] = [];
        const check = (): void => {
          const taken = units.flatMap(({ driver }) => driver.taken);
          expect(taken.length).toBe(tagSet.inUse);
          expect(taken.length).toBeLessThanOrEqual(depth);
          expect(new Set(taken.map((rq) => rq.tag)).size).toBe(taken.length);
          for (const { driver } of units) expect(driver.taken.length).toBeLessThanOrEqual(nrRequests);
        };
        for (const { unit, submit: count, complete, refuse } of steps) {
          const rig = units[unit]!;
          if (refuse === 0) rig.driver.answers.push(BlkStatus.DEV_RESOURCE);
          ends.push(...submitMany(rig, count));
          for (let index = 0; index < complete; index++) if (rig.driver.taken.length > 0) rig.driver.completeNext();
          check();
        }
        for (const { driver } of units) driver.answers.length = 0;
        // Each round completes a few requests of every unit: nobody who waits may get nothing in it.
        for (let round = 0; units.some(({ queue }) => queue.inFlight > 0); round++) {
          expect(round).toBeLessThan(1000);
          units[0]!.executor.advance(3);
          const starting = units.map(({ driver, queue }) => ({
            served: driver.log.length,
            waits: queue.inFlight > 0 && driver.taken.length === 0,
          }));
          for (let turn = 0; turn < units.length; turn++) {
            for (const { driver } of units) if (driver.taken.length > 0) driver.completeNext();
          }
          units.forEach(({ driver }, index) => {
            const { served, waits } = starting[index]!;
            if (waits) expect(driver.log.length).toBeGreaterThan(served);
          });
          check();
        }
        expect(ends).toEqual(ends.map(() => [BlkStatus.OK]));
        expect([tagSet.inUse, units[0]!.layer.bioSet.inUse]).toEqual([0, 0]);
      }),
      { seed: 2026, numRuns: 200 },
    );
  });
});

describe("several hardware queues", () => {
  function twoHwQueues(): Rig & { committed: number[] } {
    const executor = new SimExecutor();
    const layer = new BlockLayer({ executor });
    const driver = new ManualDriver();
    const committed: number[] = [];
    const queue = new BlkMqQueue(layer, {
      tagSet: new BlkMqTagSet({ queueDepth: 2, nrHwQueues: 2 }),
      nrRequests: 4,
      ops: {
        queueRq: (rq) => driver.queueRq(rq),
        commitRqs: (hctxIndex) => committed.push(hctxIndex),
        // Reads have a hardware queue of their own.
        mapQueue: (bio) => (bio.opf === ReqOp.READ ? 1 : 0),
      },
    });
    const disk = new GenDisk({ name: "two0", queue, sectorCount: 1 << 20 });
    return { executor, layer, queue, disk, driver, committed };
  }

  it("each have their tags; one that is full does not hold the other up", () => {
    const rig = twoHwQueues();
    for (let index = 0; index < 4; index++) submit(rig, index * 100, 1, { op: ReqOp.WRITE });
    submit(rig, 5000, 1);
    const issued = rig.driver.taken.map((rq) => [rq.hctx.index, rq.tag]);
    expect(issued).toEqual([
      [0, 0],
      [0, 1],
      [1, 0],
    ]);
    expect(rig.queue.hctxs.map(({ inFlight }) => inFlight)).toEqual([2, 1]);
    rig.driver.completeAll();
    expect(rig.queue.inFlight).toBe(0);
  });

  it("merge only what goes the same way", () => {
    const rig = twoHwQueues();
    rig.queue.quiesce();
    submit(rig, 0, 8, { op: ReqOp.WRITE });
    submit(rig, 8, 8);
    submit(rig, 8, 8, { op: ReqOp.WRITE });
    rig.queue.unquiesce();
    expect(rig.driver.log).toEqual(["WRITE 0+16", "READ 8+8"]);
    rig.driver.completeAll();
  });

  it("are told apart when announced requests do not come", () => {
    const rig = twoHwQueues();
    rig.queue.quiesce();
    for (const sector of [0, 100, 200]) submit(rig, sector, 1);
    rig.queue.unquiesce();
    expect([rig.driver.taken.length, rig.committed]).toEqual([2, [1]]);
    rig.driver.completeAll();
    expect(rig.queue.inFlight).toBe(0);
  });

  it("share one mq-deadline, which never mixes them up", async () => {
    const rig = twoHwQueues();
    await rig.queue.setElevator(mqDeadline());
    rig.queue.quiesce();
    const ends = [0, 1, 2, 3, 4, 5].map((index) =>
      submit(rig, index * 100, 1, { op: index % 2 === 0 ? ReqOp.WRITE : ReqOp.READ }),
    );
    rig.queue.unquiesce();
    for (const rq of rig.driver.taken) expect(rq.hctx.index).toBe(rq.opf === ReqOp.READ ? 1 : 0);
    rig.driver.completeAll();
    expect(ends).toEqual(ends.map(() => [BlkStatus.OK]));
  });

  it("a map to one that does not exist is a bug", () => {
    const { layer } = makeRig();
    const queue = new BlkMqQueue(layer, { ops: { queueRq: () => BlkStatus.OK, mapQueue: () => 1 } });
    const disk = new GenDisk({ name: "bad0", queue, sectorCount: 1024 });
    const rig = { ...makeRig(), layer, queue, disk };
    expect(() => queue.submitBio(makeBio(rig, 0, 8).bio)).toThrow(/hardware queue 1 of 1/);
  });
});
