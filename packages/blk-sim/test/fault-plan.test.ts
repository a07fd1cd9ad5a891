import { BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { type Fault, FaultPlan, SeededRandom } from "../src/index.js";
import { blocks, expectRigAtRest, makeRig, readAll, submit, submitAndRun, values } from "./support.js";

const FLUSH = ReqOp.WRITE | ReqFlag.PREFLUSH;

function newPlan(seed = 1): FaultPlan {
  return new FaultPlan(new SeededRandom(seed));
}

/** Which of many requests a plan hits. */
function hitsOf(plan: FaultPlan, fault: Fault): number[] {
  return [...Array(200).keys()].filter((sector) => plan.strike(ReqOp.READ, sector, sector + 1) === fault);
}

describe("a fault rule", () => {
  it("without properties hits everything, flushes included, with IOERR", () => {
    const plan = newPlan();
    const fault = plan.add({});
    for (const op of Object.values(ReqOp)) expect(plan.strike(op, 0, op === ReqOp.FLUSH ? 0 : 1)).toBe(fault);
    expect(fault).toMatchObject({ status: BlkStatus.IOERR, delayMs: 0, hits: 5 });
  });

  it("hits its operation only", () => {
    const plan = newPlan();
    const fault = plan.add({ op: ReqOp.WRITE });
    expect([plan.strike(ReqOp.READ, 0, 1), plan.strike(ReqOp.WRITE, 0, 1)]).toEqual([null, fault]);
    expect(fault.hits).toBe(1);
  });

  it("hits requests that touch its range, from the first sector to the one before the last", () => {
    const plan = newPlan();
    const fault = plan.add({ startSector: 10, endSector: 20 });
    const hit = (start: number, end: number): boolean => plan.strike(ReqOp.READ, start, end) === fault;
    expect([hit(8, 10), hit(9, 11), hit(12, 13), hit(0, 100), hit(19, 30), hit(20, 30)]).toEqual([
      false,
      true,
      true,
      true,
      true,
      false,
    ]);
    expect(plan.strike(ReqOp.FLUSH, 0, 0)).toBeNull();
  });

  it("is open on either side", () => {
    const plan = newPlan();
    const from = plan.add({ startSector: 10 });
    expect([plan.strike(ReqOp.READ, 9, 10), plan.strike(ReqOp.READ, 2 ** 40, 2 ** 40 + 1)]).toEqual([null, from]);
    plan.liftAll();
    const to = plan.add({ endSector: 10 });
    expect([plan.strike(ReqOp.READ, 9, 10), plan.strike(ReqOp.READ, 10, 11)]).toEqual([to, null]);
    expect(plan.strike(ReqOp.FLUSH, 0, 0)).toBeNull();
  });

  it("hits one in so many at random, the same ones with the same seed", () => {
    const plan = newPlan();
    const fault = plan.add({ oneIn: 5 });
    const hits = hitsOf(plan, fault);
    expect(hits.length).toBeGreaterThan(20);
    expect(hits.length).toBeLessThan(65);
    expect(fault.hits).toBe(hits.length);
    const again = newPlan();
    expect(hitsOf(again, again.add({ oneIn: 5 }))).toEqual(hits);
  });

  it("hits at most so often", () => {
    const plan = newPlan();
    const fault = plan.add({ times: 3 });
    expect(hitsOf(plan, fault)).toEqual([0, 1, 2]);
  });

  it("added later changes nothing about what the others hit", () => {
    const hits = (more: boolean): number[] => {
      const plan = newPlan();
      const fault = plan.add({ oneIn: 3 });
      if (more) plan.add({ oneIn: 2 });
      return hitsOf(plan, fault);
    };
    expect(hits(true)).toEqual(hits(false));
  });

  it("gives way to one that was added before it, and to the next when it misses", () => {
    const plan = newPlan();
    const first = plan.add({ times: 1 });
    const second = plan.add({});
    expect([plan.strike(ReqOp.READ, 0, 1), plan.strike(ReqOp.READ, 0, 1)]).toEqual([first, second]);
  });

  it("can be lifted", () => {
    const plan = newPlan();
    const [first, second] = [plan.add({}), plan.add({})];
    plan.lift(first);
    plan.lift(first);
    expect(plan.strike(ReqOp.READ, 0, 1)).toBe(second);
    plan.liftAll();
    expect(plan.strike(ReqOp.READ, 0, 1)).toBeNull();
  });

  it.each([
    [{ startSector: 5, endSector: 5 }, /sectors 5 to 5, expected a range/],
    [{ startSector: -1 }, /sectors -1 to Infinity/],
    [{ oneIn: 0 }, /oneIn is 0, expected 1/],
    [{ oneIn: 1.5 }, /oneIn is 1.5/],
    [{ delayMs: -1 }, /delayMs is -1, expected 0 or more/],
    [{ delayMs: Number.POSITIVE_INFINITY }, /delayMs is Infinity/],
    [{ times: -1 }, /times is -1/],
    [{ times: Number.NaN }, /times is NaN/],
  ])("that makes no sense is refused: %o", (rule, message) => {
    expect(() => newPlan().add(rule)).toThrow(message);
    expect(() => newPlan().add(rule)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });
});

describe("a disk with faults", () => {
  it("ends requests with the rule's status, while it is in the plan", () => {
    const rig = makeRig(1);
    const fault = rig.faults.add({ op: ReqOp.READ, startSector: 8, endSector: 16, status: BlkStatus.MEDIUM });
    expect(submitAndRun(rig, ReqOp.READ, 8 * 512, blocks(0))).toBe(BlkStatus.MEDIUM);
    expect(submitAndRun(rig, ReqOp.WRITE, 8 * 512, blocks(1))).toBe(BlkStatus.OK);
    expect(submitAndRun(rig, ReqOp.READ, 0, blocks(0))).toBe(BlkStatus.OK);
    rig.faults.lift(fault);
    expect(submitAndRun(rig, ReqOp.READ, 8 * 512, blocks(0))).toBe(BlkStatus.OK);
    expect([fault.hits, rig.disk.seen.faults]).toEqual([1, 1]);
    expectRigAtRest(rig);
  });

  it("delays, with and without an error", () => {
    const rig = makeRig(1, { latency: { minMs: 1, maxMs: 1 } });
    rig.faults.add({ op: ReqOp.READ, status: BlkStatus.OK, delayMs: 100 });
    rig.faults.add({ op: ReqOp.WRITE, status: BlkStatus.TIMEOUT, delayMs: 50 });
    const read = submit(rig, ReqOp.READ, 0, blocks(0));
    const write = submit(rig, ReqOp.WRITE, 0, blocks(0));
    rig.executor.advance(50);
    expect([read, write]).toEqual([[], []]);
    rig.executor.advance(1);
    expect([read, write]).toEqual([[], [BlkStatus.TIMEOUT]]);
    rig.executor.advance(50);
    expect(read).toEqual([BlkStatus.OK]);
  });

  it.each([BlkStatus.RESOURCE, BlkStatus.DEV_RESOURCE])("refuses for now with %i, and is asked again", (status) => {
    const rig = makeRig(1);
    const fault = rig.faults.add({ status, times: 2 });
    expect(submitAndRun(rig, ReqOp.WRITE, 0, blocks(1))).toBe(BlkStatus.OK);
    expect([fault.hits, rig.disk.seen.writes, readAll(rig)[0]]).toEqual([2, 1, 1]);
    expectRigAtRest(rig);
  });

  it("that fails a write has done any part of it", () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 64; seed++) {
      const rig = makeRig(seed);
      rig.faults.add({ op: ReqOp.WRITE });
      expect(submitAndRun(rig, ReqOp.WRITE, 0, blocks(1, 2))).toBe(BlkStatus.IOERR);
      found.add(`${values(readAll(rig), 3)}`);
    }
    expect([...found].sort()).toEqual(["0,0,0", "0,1,0", "1,0,0", "1,1,0"]);
  });

  it("that fails a write has torn it at its physical blocks, not inside them", () => {
    const found = new Set<string>();
    for (let seed = 0; seed < 64; seed++) {
      const rig = makeRig(seed, { limits: { physicalBlockBytes: 1024 } });
      rig.faults.add({ op: ReqOp.WRITE });
      submitAndRun(rig, ReqOp.WRITE, 512, blocks(1, 4));
      found.add(`${values(readAll(rig), 6)}`);
    }
    const halves = [0, 1].flatMap((a) => [0, 1].flatMap((b) => [0, 1].map((c) => `0,${a},${b},${b},${c},0`)));
    expect([...found].sort()).toEqual(halves.sort());
  });

  it("that fails a flush leaves what was cached in the cache", () => {
    const rig = makeRig(1, { writeCache: true });
    submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
    rig.faults.add({ op: ReqOp.FLUSH, times: 1 });
    expect(submitAndRun(rig, FLUSH, 0, 0)).toBe(BlkStatus.IOERR);
    expect(rig.disk.medium.cachedBytes).toBe(512);
    expect(submitAndRun(rig, FLUSH, 0, 0)).toBe(BlkStatus.OK);
    expect(rig.disk.medium.cachedBytes).toBe(0);
  });
});
