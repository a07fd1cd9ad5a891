import { BlkError, BlkStatus, type MqDeadlineOptions, mqDeadline, ReqOp } from "@inlinecrypt/blk-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, makeRig, type Rig, submit } from "./support.js";

/** A device that takes one request at a time, and a queue that sorts what waits. */
function deadlineRig(options: MqDeadlineOptions = {}, nrRequests = 256): Rig {
  return makeRig({ queueDepth: 1, nrRequests, elevator: mqDeadline(options) });
}

/** Keeps the device busy while `fill` submits, then says in which order the rest was issued. */
function order(rig: Rig, fill: () => void): string[] {
  rig.queue.quiesce();
  fill();
  rig.queue.unquiesce();
  rig.driver.completeAll();
  return rig.driver.log.splice(0);
}

describe("order", () => {
  it("is by sector, from the last one issued upwards, then from the oldest", () => {
    const rig = deadlineRig();
    const issued = order(rig, () => {
      for (const sector of [500, 100, 300]) submit(rig, sector, 1);
    });
    expect(issued).toEqual(["READ 100+1", "READ 300+1", "READ 500+1"]);
    const next = order(rig, () => {
      for (const sector of [400, 600, 10, 450]) submit(rig, sector, 1);
    });
    expect(next).toEqual(["READ 600+1", "READ 400+1", "READ 450+1", "READ 10+1"]);
    expectNoLeaks(rig);
  });

  it("prefers reads, but lets writes go after two batches of them", () => {
    const rig = deadlineRig({ fifoBatch: 2 });
    const issued = order(rig, () => {
      for (let index = 0; index < 3; index++) submit(rig, 1000 + index * 10, 1, { op: ReqOp.WRITE });
      for (let index = 0; index < 8; index++) submit(rig, 100 + index * 10, 1);
    });
    const directions = issued.map((line) => line[0]).join("");
    expect(directions, "at the start a batch of writes goes first").toBe("WWRRRRWRRRR");
    expectNoLeaks(rig);
  });

  it("breaks a sweep for a request whose time has come", () => {
    const rig = deadlineRig({ fifoBatch: 1 });
    const issued = order(rig, () => {
      submit(rig, 100, 1);
      rig.executor.advance(400);
      submit(rig, 5, 1);
      submit(rig, 50, 1);
      rig.executor.advance(100);
    });
    expect(issued).toEqual(["READ 100+1", "READ 5+1", "READ 50+1"]);
    expectNoLeaks(rig);
  });

  it("looks at deadlines only after a batch", () => {
    const rig = deadlineRig({ fifoBatch: 3 });
    const issued = order(rig, () => {
      submit(rig, 5, 1);
      rig.queue.unquiesce();
      rig.queue.quiesce();
      for (const sector of [900, 10, 20, 30]) submit(rig, sector, 1);
      rig.executor.advance(500);
    });
    expect(issued).toEqual(["READ 5+1", "READ 10+1", "READ 20+1", "READ 900+1", "READ 30+1"]);
    expectNoLeaks(rig);
  });

  it("a merged request has the earlier deadline of both", () => {
    const rig = deadlineRig({ fifoBatch: 1 });
    const issued = order(rig, () => {
      submit(rig, 516, 8);
      rig.executor.advance(300);
      submit(rig, 100, 8);
      submit(rig, 500, 8);
      submit(rig, 508, 8);
      rig.executor.advance(200);
    });
    expect(issued).toEqual(["READ 500+24", "READ 100+8"]);
    expectNoLeaks(rig);
  });
});

describe("merging", () => {
  it("finds its request among many, at both ends", () => {
    const rig = deadlineRig();
    const issued = order(rig, () => {
      for (let index = 0; index < 50; index++) submit(rig, index * 100 + 50, 8);
      submit(rig, 1058, 8);
      submit(rig, 2042, 8);
    });
    expect(issued).toHaveLength(50);
    expect(issued).toContain("READ 1050+16");
    expect(issued).toContain("READ 2042+16");
    expectNoLeaks(rig);
  });

  it("at the front can be turned off", () => {
    const rig = deadlineRig({ frontMerges: false });
    const issued = order(rig, () => {
      submit(rig, 8, 8);
      submit(rig, 0, 8);
      submit(rig, 16, 8);
    });
    expect(issued).toEqual(["READ 0+8", "READ 8+16"]);
    expectNoLeaks(rig);
  });

  it("a request that moved in front is found where it now starts", () => {
    const rig = deadlineRig();
    const issued = order(rig, () => {
      submit(rig, 100, 8);
      submit(rig, 300, 8);
      submit(rig, 92, 8);
      submit(rig, 308, 8);
      submit(rig, 84, 8);
    });
    expect(issued).toEqual(["READ 84+24", "READ 300+16"]);
    expectNoLeaks(rig);
  });
});

describe("any load", () => {
  interface Io {
    write: boolean;
    sector: number;
    waitMs: number;
    complete: boolean;
  }

  const io: fc.Arbitrary<Io> = fc.record({
    write: fc.boolean(),
    sector: fc.nat(200).map((n) => n * 2),
    waitMs: fc.constantFrom(0, 0, 10, 600),
    complete: fc.boolean(),
  });

  it("ends every bio once and issues every sector once, however requests merge and bios wait", () => {
    fc.assert(
      fc.property(fc.array(io, { maxLength: 60 }), fc.integer({ min: 1, max: 8 }), (ios, fifoBatch) => {
        const rig = deadlineRig({ fifoBatch }, 16);
        const ends: BlkStatus[][] = [];
        let sectors = 0;
        for (const { write, sector, waitMs, complete } of ios) {
          ends.push(submit(rig, sector, 2, { op: write ? ReqOp.WRITE : ReqOp.READ }));
          sectors += 2;
          rig.executor.advance(waitMs);
          if (complete && rig.driver.taken.length > 0) rig.driver.completeNext();
          expect(rig.driver.taken.length).toBeLessThanOrEqual(1);
        }
        rig.driver.completeAll();
        expect(ends).toEqual(ios.map(() => [BlkStatus.OK]));
        const issued = rig.driver.log.reduce((sum, line) => sum + Number(line.split("+")[1]), 0);
        expect(issued).toBe(sectors);
        expectNoLeaks(rig);
      }),
      { seed: 2026, numRuns: 300 },
    );
  });

  it("is issued as a plain model of the kernel's rules says", () => {
    const load = fc.record({
      ios: fc.uniqueArray(fc.record({ write: fc.boolean(), place: fc.nat(500), waitMs: fc.constantFrom(0, 1, 300) }), {
        selector: ({ place }) => place,
        maxLength: 40,
      }),
      fifoBatch: fc.integer({ min: 1, max: 6 }),
      writesStarved: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(load, ({ ios, fifoBatch, writesStarved }) => {
        const rig = deadlineRig({ fifoBatch, writesStarved });
        const model = new Model(fifoBatch, writesStarved);
        const issued = order(rig, () => {
          for (const { write, place, waitMs } of ios) {
            // Places far apart: nothing merges.
            submit(rig, place * 10, 1, { op: write ? ReqOp.WRITE : ReqOp.READ });
            model.insert(place * 10, write, rig.executor.nowMs());
            rig.executor.advance(waitMs);
          }
        });
        expect(issued).toEqual(model.issueAll(rig.executor.nowMs()));
      }),
      { seed: 2026, numRuns: 300 },
    );
  });
});

it.each(["readExpireMs", "writeExpireMs", "writesStarved", "fifoBatch"])("%s is 0 to 2^31 - 1", (name) => {
  for (const value of [Number.NaN, -1, 0.5, 2 ** 31]) {
    expect(() => mqDeadline({ [name]: value })).toThrow(
      new BlkError("EINVAL", "mq-deadline", `${name} is ${value}, expected 0 to 2147483647`),
    );
  }
  mqDeadline({ [name]: 0 });
});

interface ModelRq {
  sector: number;
  expiresMs: number;
}

/** The rules of mq-deadline over plain arrays. */
class Model {
  readonly queues: [reads: ModelRq[], writes: ModelRq[]] = [[], []];
  readonly latest: [number, number] = [0, 0];
  direction: 0 | 1 = 1;
  batching = 0;
  starved = 0;

  constructor(
    readonly fifoBatch: number,
    readonly writesStarved: number,
  ) {}

  insert(sector: number, write: boolean, nowMs: number): void {
    this.queues[write ? 1 : 0].push({ sector, expiresMs: nowMs + (write ? 5000 : 500) });
  }

  issueAll(nowMs: number): string[] {
    const issued: string[] = [];
    while (this.queues[0].length + this.queues[1].length > 0) issued.push(this.#issue(nowMs));
    return issued;
  }

  #issue(nowMs: number): string {
    let rq = this.batching < this.fifoBatch ? this.#next(this.direction) : undefined;
    if (rq === undefined) {
      this.direction = this.#choose();
      this.batching = 0;
      const oldest = this.queues[this.direction][0]!;
      rq = oldest.expiresMs <= nowMs ? oldest : (this.#next(this.direction) ?? oldest);
    }
    this.batching++;
    this.latest[this.direction] = rq.sector;
    this.queues[this.direction].splice(this.queues[this.direction].indexOf(rq), 1);
    return `${this.direction === 0 ? "READ" : "WRITE"} ${rq.sector}+1`;
  }

  #next(direction: 0 | 1): ModelRq | undefined {
    const ahead = this.queues[direction].filter(({ sector }) => sector >= this.latest[direction]);
    return ahead.sort((a, b) => a.sector - b.sector)[0];
  }

  #choose(): 0 | 1 {
    const [reads, writes] = this.queues;
    if (reads.length === 0) {
      this.starved = 0;
      return 1;
    }
    if (writes.length === 0) return 0;
    if (this.starved++ < this.writesStarved) return 0;
    this.starved = 0;
    return 1;
  }
}
