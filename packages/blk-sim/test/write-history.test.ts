import { type BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WriteHistory } from "../src/index.js";
import { blocks, DISK_BYTES, expectRigAtRest, makeRig, newBio, type Rig, readAll } from "./support.js";

const SEED = 20260102;
const BLOCKS = 4;

function newHistory(): WriteHistory {
  return new WriteHistory(new Uint8Array(BLOCKS * 512), 512);
}

/** What may be in block 0, by first bytes. */
function afterCut(history: WriteHistory, block = 0): number[] {
  return history.allowedAfterCut(block).map((contents) => contents[0]!);
}

function toRead(history: WriteHistory, block = 0): number[] {
  return history.allowedToRead(block).map((contents) => contents[0]!);
}

describe("WriteHistory", () => {
  it("starts with what the device holds", () => {
    const start = blocks(7, 2);
    const history = new WriteHistory(start, 512);
    start.fill(0);
    expect([afterCut(history), toRead(history)]).toEqual([[7], [7]]);
  });

  it("a write in flight may be there or not", () => {
    const history = newHistory();
    const data = blocks(1, 2);
    history.beginWrite(512, data);
    data.fill(9);
    expect([afterCut(history, 1), toRead(history, 1)]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect([afterCut(history, 0), afterCut(history, 3)]).toEqual([[0], [0]]);
  });

  it("an acknowledged write is what reads return, and what a cut may lose", () => {
    const history = newHistory();
    history.endWrite(history.beginWrite(0, blocks(1)), true);
    expect([afterCut(history), toRead(history)]).toEqual([[0, 1], [1]]);
  });

  it("a durable write is all there can be", () => {
    const history = newHistory();
    history.endWrite(history.beginWrite(0, blocks(1)), true);
    history.endWrite(history.beginWrite(0, blocks(2)), true, true);
    expect([afterCut(history), toRead(history)]).toEqual([[2], [2]]);
  });

  it("a failed write promises nothing and rules nothing out", () => {
    const history = newHistory();
    history.endWrite(history.beginWrite(0, blocks(1)), false);
    history.endFlush(history.beginFlush());
    expect([afterCut(history), toRead(history)]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    history.endWrite(history.beginWrite(0, blocks(2)), true);
    expect([afterCut(history), toRead(history)]).toEqual([[0, 1, 2], [2]]);
  });

  it("a flush covers what had ended when it was submitted", () => {
    const history = newHistory();
    history.endWrite(history.beginWrite(0, blocks(1)), true);
    const flush = history.beginFlush();
    history.endWrite(history.beginWrite(0, blocks(2)), true);
    expect(afterCut(history)).toEqual([0, 1, 2]);
    history.endFlush(flush);
    expect(afterCut(history)).toEqual([1, 2]);
    history.endFlush(history.beginFlush());
    expect(afterCut(history)).toEqual([2]);
  });

  it("overlapping writes may land in any order, whichever ends first", () => {
    const history = newHistory();
    const [one, other] = [history.beginWrite(0, blocks(1)), history.beginWrite(0, blocks(2))];
    history.endWrite(other, true);
    history.endWrite(one, true);
    history.endFlush(history.beginFlush());
    expect([afterCut(history), toRead(history)]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  it("settles: names the blocks that hold what they must not, and goes on from what was found", () => {
    const history = newHistory();
    history.endWrite(history.beginWrite(0, blocks(1, 2)), true, true);
    history.endWrite(history.beginWrite(1024, blocks(2, 2)), false);
    const found = new Uint8Array(BLOCKS * 512);
    found.fill(1, 0, 512).fill(2, 1024, 1536);
    found[1535] = 0;
    expect(history.settle(found)).toEqual([1, 2]);
    expect([0, 1, 2, 3].map((block) => afterCut(history, block))).toEqual([[1], [0], [2], [0]]);
    expect(history.settle(found)).toEqual([]);
  });

  it.each([
    ["well", true, false],
    ["well and durably", true, true],
    ["badly", false, false],
  ])("a write in flight at a cut may be there or not, also once it has ended %s", (_how, ok, durable) => {
    const history = newHistory();
    const written = new Uint8Array(BLOCKS * 512).fill(1, 0, 512);
    const unwritten = new Uint8Array(BLOCKS * 512);
    const write = history.beginWrite(0, blocks(1));
    expect(history.settle(unwritten)).toEqual([]);
    expect([afterCut(history), toRead(history)]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    history.endWrite(write, ok, durable);
    history.endFlush(history.beginFlush());
    expect([afterCut(history), toRead(history)]).toEqual([
      [0, 1],
      [0, 1],
    ]);
    expect(history.settle(written)).toEqual([]);
    expect(history.settle(unwritten)).toEqual([0]);
  });

  it("a write in flight at a cut is out of the question once a later one is durable", () => {
    const history = newHistory();
    const write = history.beginWrite(0, blocks(1));
    history.settle(new Uint8Array(BLOCKS * 512));
    history.endWrite(write, true);
    history.endWrite(history.beginWrite(0, blocks(2)), true, true);
    expect([afterCut(history), toRead(history)]).toEqual([[2], [2]]);
  });

  it("refuses what is not whole blocks of the device", () => {
    expect(() => new WriteHistory(new Uint8Array(1000), 512)).toThrow(/1000 bytes are no multiple/);
    for (const blockBytes of [-512, 0, 0.5, Number.NaN]) {
      expect(() => new WriteHistory(new Uint8Array(1024), blockBytes)).toThrow(
        `WriteHistory: blockBytes is ${blockBytes}, expected 1 or more (EINVAL)`,
      );
    }
    for (const bytes of [512, 1536]) {
      expect(() => new WriteHistory(new Uint8Array(1024), 512).settle(new Uint8Array(bytes))).toThrow(
        `WriteHistory: ${bytes} bytes were found, expected 1024 (EINVAL)`,
      );
    }
    for (const [byteOffset, bytes] of [
      [1, 512],
      [0, 100],
      [-512, 512],
      [BLOCKS * 512, 512],
    ] as const) {
      const write = (): unknown => newHistory().beginWrite(byteOffset, new Uint8Array(bytes));
      expect(write).toThrow(expect.objectContaining({ code: "EINVAL" }));
    }
  });
});

/** One step of a random run: what is submitted, and how long until the next. */
interface Step {
  kind: "write" | "fua" | "flush" | "zeroes" | "discard";
  block: number;
  blocks: number;
  value: number;
  waitMs: number;
}

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("write", "write", "write", "fua", "flush", "zeroes", "discard"),
  block: fc.nat(20),
  blocks: fc.integer({ min: 1, max: 6 }),
  value: fc.integer({ min: 1, max: 255 }),
  waitMs: fc.constantFrom(0, 0, 0.3, 2),
});

const anyRun = fc.record({
  seed: fc.nat(),
  writeCache: fc.boolean(),
  fua: fc.boolean(),
  physicalBlockBytes: fc.constantFrom(512, 2048),
  faulty: fc.boolean(),
  steps: fc.array(anyStep, { minLength: 1, maxLength: 30 }),
  cuts: fc.integer({ min: 1, max: 2 }),
});

/** Submits a step and tells the history of it. */
function take(rig: Rig, history: WriteHistory, step: Step): void {
  const byteOffset = step.block * 512;
  const onEnd = (end: (ok: boolean) => void) => (status: BlkStatus) => end(status === 0);
  if (step.kind === "flush") {
    const begun = history.beginFlush();
    const end = onEnd((ok) => ok && history.endFlush(begun));
    return rig.layer.submitBio(newBio(rig, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0, end));
  }
  const isData = step.kind === "write" || step.kind === "fua";
  const data = blocks(isData ? step.value : 0, step.blocks);
  const opf = {
    write: ReqOp.WRITE,
    fua: ReqOp.WRITE | ReqFlag.FUA,
    zeroes: ReqOp.WRITE_ZEROES,
    discard: ReqOp.DISCARD,
  };
  const write = history.beginWrite(byteOffset, data);
  const durable = step.kind === "fua" || !rig.disk.queue.limits.writeCache;
  const end = onEnd((ok) => history.endWrite(write, ok, durable));
  rig.layer.submitBio(newBio(rig, opf[step.kind], byteOffset, isData ? data : data.length, end));
}

describe("SimDisk under random I/O", () => {
  it(`after each power cut holds only what WriteHistory allows (seed ${SEED})`, () => {
    let older = 0;
    fc.assert(
      fc.property(anyRun, ({ seed, writeCache, fua, physicalBlockBytes, faulty, steps, cuts }) => {
        const rig = makeRig(seed, {
          writeCache,
          fua: fua && writeCache,
          queueDepth: 8,
          limits: { physicalBlockBytes },
        });
        if (faulty) rig.faults.add({ oneIn: 5 });
        const history = new WriteHistory(new Uint8Array(DISK_BYTES), 512);
        for (let cut = 0; cut < cuts; cut++) {
          for (const step of steps) {
            take(rig, history, step);
            rig.executor.advance(step.waitMs);
          }
          rig.disk.powerCut();
          rig.faults.liftAll();
          rig.disk.powerOn();
          const found = readAll(rig);
          for (let block = 0; block < 26; block++)
            if (!history.allowedToRead(block).some((b) => b[0] === found[block * 512])) older++;
          expect(history.settle(found)).toEqual([]);
          expectRigAtRest(rig);
        }
      }),
      { seed: SEED, numRuns: 600 },
    );
    // The disk does lose what it may lose: else this test would say nothing.
    expect(older).toBeGreaterThan(100);
  });

  it("reads what was last acknowledged", () => {
    fc.assert(
      fc.property(anyRun, ({ seed, writeCache, faulty, steps }) => {
        const rig = makeRig(seed, { writeCache });
        if (faulty) rig.faults.add({ oneIn: 5 });
        const history = new WriteHistory(new Uint8Array(DISK_BYTES), 512);
        for (const step of steps) {
          take(rig, history, step);
          rig.executor.advance(step.waitMs);
        }
        rig.executor.runUntilIdle();
        rig.faults.liftAll();
        const found = readAll(rig);
        for (let block = 0; block < 26; block++) {
          const allowed = history.allowedToRead(block).map((contents) => contents[0]);
          expect(allowed).toContain(found[block * 512]);
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("WriteHistory finds a disk that acknowledges flushes and does not do them", () => {
    const caught = [...Array(50).keys()].filter((seed) => {
      const rig = makeRig(seed, { writeCache: true });
      rig.disk.medium.flush = () => {};
      const history = new WriteHistory(new Uint8Array(DISK_BYTES), 512);
      for (const kind of ["write", "flush"] as const) {
        take(rig, history, { kind, block: 1, blocks: 4, value: 5, waitMs: 0 });
        rig.executor.runUntilIdle();
      }
      rig.disk.powerCut();
      rig.disk.powerOn();
      return history.settle(readAll(rig)).length > 0;
    });
    expect(caught.length).toBeGreaterThan(20);
  });
});
