import { BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { SeededRandom, type SimDiskBehaviour, SimMedium } from "../src/index.js";
import {
  blocks,
  expectRigAtRest,
  expectSameBytes,
  makeRig,
  type Rig,
  readAll,
  submit,
  submitAndRun,
  values,
  writeDurably,
} from "./support.js";

const FUA = ReqOp.WRITE | ReqFlag.FUA;
const FLUSH = ReqOp.WRITE | ReqFlag.PREFLUSH;
const SEEDS = 150;

/** Every state of the first `count` blocks that a power cut leaves after `prepare`, over many seeds. */
function outcomes(count: number, options: Partial<SimDiskBehaviour>, prepare: (rig: Rig) => void): string[] {
  const found = new Set<string>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const rig = makeRig(seed, options);
    prepare(rig);
    rig.disk.powerCut();
    rig.disk.powerOn();
    const state = readAll(rig);
    found.add(`${values(state, count)}`);
    const medium = new Uint8Array(state.length);
    rig.disk.readMedium(0, medium);
    expectSameBytes(medium, state);
    expectRigAtRest(rig);
  }
  return [...found].sort();
}

describe("a power cut", () => {
  const cached = { writeCache: true, fua: true };

  it("leaves what was flushed", () => {
    const found = outcomes(2, cached, (rig) => {
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(1, 2));
      submitAndRun(rig, FLUSH, 0, 0);
    });
    expect(found).toEqual(["1,1"]);
  });

  it("leaves what was written with FUA, by the disk itself or with a flush behind it", () => {
    for (const fua of [true, false]) {
      const found = outcomes(2, { writeCache: true, fua }, (rig) => {
        submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
        submitAndRun(rig, FUA, 0, blocks(2));
      });
      expect(found).toEqual(["2,0"]);
    }
  });

  it("leaves what has ended on a disk without a cache", () => {
    expect(outcomes(2, {}, (rig) => submitAndRun(rig, ReqOp.WRITE, 0, blocks(1, 2)))).toEqual(["1,1"]);
  });

  it("keeps, loses or tears a write that was not flushed", () => {
    const found = outcomes(3, cached, (rig) => submitAndRun(rig, ReqOp.WRITE, 0, blocks(1, 2)));
    expect(found).toEqual(["0,0,0", "0,1,0", "1,0,0", "1,1,0"]);
  });

  it("keeps later writes and loses earlier ones, or the other way round", () => {
    const found = outcomes(2, cached, (rig) => {
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
      submitAndRun(rig, ReqOp.WRITE, 512, blocks(2));
    });
    expect(found).toEqual(["0,0", "0,2", "1,0", "1,2"]);
  });

  it("leaves any of the writes to a block since its last durable one, and nothing older", () => {
    const found = outcomes(1, cached, (rig) => {
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(2));
      submitAndRun(rig, FLUSH, 0, 0);
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(3));
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(4));
    });
    expect(found).toEqual(["2", "3", "4"]);
  });

  it("never brings back a cached write that a FUA write has replaced", () => {
    const found = outcomes(2, cached, (rig) => {
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(1, 2));
      submitAndRun(rig, FUA, 0, blocks(2));
    });
    expect(found).toEqual(["2,0", "2,1"]);
  });

  it("does the same to zeroing and discards", () => {
    for (const op of [ReqOp.WRITE_ZEROES, ReqOp.DISCARD]) {
      const found = outcomes(2, cached, (rig) => {
        writeDurably(rig, 0, blocks(1, 2));
        submitAndRun(rig, op, 0, 1024);
      });
      expect(found).toEqual(["0,0", "0,1", "1,0", "1,1"]);
    }
  });

  it.each([
    ["a write", ReqOp.WRITE, blocks(2, 2), ["1,1", "1,2", "2,1", "2,2"]],
    ["a FUA write", FUA, blocks(2, 2), ["1,1", "1,2", "2,1", "2,2"]],
    ["zeroing", ReqOp.WRITE_ZEROES, 1024, ["0,0", "0,1", "1,0", "1,1"]],
    ["a discard", ReqOp.DISCARD, 1024, ["0,0", "0,1", "1,0", "1,1"]],
    ["a read", ReqOp.READ, new Uint8Array(1024), ["1,1"]],
  ])("may have done any part of %s in flight, with a cache and without", (_, opf, data, expected) => {
    for (const options of [cached, {}]) {
      const found = outcomes(2, options, (rig) => {
        writeDurably(rig, 0, blocks(1, 2));
        submit(rig, opf, 0, data);
      });
      expect(found).toEqual(expected);
    }
  });

  it("a flush in flight promises nothing, and its end is the cut's", () => {
    const ends: BlkStatus[][] = [];
    const found = outcomes(1, cached, (rig) => {
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
      ends.push(submit(rig, FLUSH, 0, 0));
    });
    expect(found).toEqual(["0", "1"]);
    expect(new Set(ends.flat())).toEqual(new Set([BlkStatus.OFFLINE]));
  });

  it("tears at physical blocks: sectors of one are kept or lost together", () => {
    const found = outcomes(3, { ...cached, limits: { physicalBlockBytes: 1024 } }, (rig) => {
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(1, 3));
    });
    expect(found).toEqual(["0,0,0", "0,0,1", "1,1,0", "1,1,1"]);
  });

  it("takes writes in flight in any order, also where sectors of one physical block belong to two of them", () => {
    const found = outcomes(2, { ...cached, limits: { physicalBlockBytes: 1024 } }, (rig) => {
      submit(rig, ReqOp.WRITE, 0, blocks(1));
      submit(rig, ReqOp.WRITE, 512, blocks(2));
    });
    expect(found).toEqual(["0,0", "0,2", "1,0", "1,2"]);
  });

  it("ends everything in flight once, with OFFLINE, and refuses what comes until the power is back", () => {
    const rig = makeRig(1, { writeCache: true, queueDepth: 2 });
    const late: BlkStatus[][] = [];
    const inFlight = [ReqOp.READ, ReqOp.WRITE, FLUSH, ReqOp.DISCARD].map((opf, index) =>
      submit(rig, opf, 1024 * index, opf === FLUSH ? 0 : opf === ReqOp.DISCARD ? 512 : blocks(index)),
    );
    expect(rig.disk.powered).toBe(true);
    rig.disk.powerCut();
    late.push(submit(rig, ReqOp.READ, 0, blocks(0)), submit(rig, FLUSH, 0, 0));
    expect([...inFlight, ...late]).toEqual(new Array(6).fill([BlkStatus.OFFLINE]));
    expect(rig.disk.powered).toBe(false);
    expect(rig.disk.seen).toMatchObject({ powerCuts: 1, cutRequests: 2 });
    expectRigAtRest(rig);
    expect(rig.disk.powerCut()).toEqual({ kept: 0, lost: 0, torn: 0 });
    expect(rig.disk.seen.powerCuts).toBe(1);
    rig.disk.powerOn();
    expect(submitAndRun(rig, ReqOp.WRITE, 0, blocks(9))).toBe(BlkStatus.OK);
    expect(readAll(rig)[0]).toBe(9);
    expectRigAtRest(rig);
  });

  it("may come from within the end of a request", () => {
    const rig = makeRig(1, { latency: { minMs: 1, maxMs: 1 } });
    const first = rig.layer.bioSet.tryAlloc(rig.disk.bdev, ReqOp.READ)!;
    first.addBuffer(blocks(0));
    first.onEndIo = () => {
      first.put();
      rig.disk.powerCut();
    };
    rig.layer.submitBio(first);
    const second = submit(rig, ReqOp.READ, 1024, blocks(0));
    rig.executor.runUntilIdle();
    expect(second).toEqual([BlkStatus.OFFLINE]);
    expectRigAtRest(rig);
  });

  it("tells what became of the writes", () => {
    const total = { kept: 0, lost: 0, torn: 0 };
    for (let seed = 0; seed < 30; seed++) {
      const rig = makeRig(seed, cached);
      for (let index = 0; index < 10; index++) submitAndRun(rig, ReqOp.WRITE, 8192 * (index % 8), blocks(1, 16));
      const { kept, lost, torn } = rig.disk.powerCut();
      expect(kept + lost + torn).toBe(10);
      total.kept += kept;
      total.lost += lost;
      total.torn += torn;
    }
    for (const count of Object.values(total)) expect(Math.abs(count - 100)).toBeLessThan(40);
  });

  it("leaves the same with the same seed", () => {
    const stateOf = (seed: number): Uint8Array => {
      const rig = makeRig(seed, cached);
      submitAndRun(rig, ReqOp.WRITE, 0, blocks(1, 100));
      submit(rig, ReqOp.WRITE, 4096, blocks(2, 100));
      rig.disk.powerCut();
      rig.disk.powerOn();
      return readAll(rig);
    };
    expectSameBytes(stateOf(3), stateOf(3));
    expect(Buffer.compare(stateOf(3), stateOf(4))).not.toBe(0);
  });
});

describe("SimMedium.writeTorn", () => {
  it("stays in the cache when the write would have", () => {
    const medium = new SimMedium({ bytes: 65536 });
    medium.writeTorn(0, blocks(1, 100), false, new SeededRandom(1));
    const durable = new Uint8Array(65536);
    medium.readDurable(0, durable);
    expectSameBytes(durable, new Uint8Array(65536));
    expect(medium.cachedBytes).toBeGreaterThan(0);
    expect(medium.cachedBytes).toBeLessThan(100 * 512);
  });
});
