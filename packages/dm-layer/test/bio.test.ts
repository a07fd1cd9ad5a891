import { BlkStatus, BlockLayer, dunToBigInt, newDun, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { failEachAllocation } from "@inlinecrypt/blk-sim";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { dunDecrement } from "../src/dm-io-rewind.js";
import { EndIoResult, linearTarget, MapResult } from "../src/index.js";
import { HoldingTarget } from "./holding-target.js";
import { pattern, Rig, read } from "./support.js";

describe("bios", () => {
  let rig: Rig;
  let holding: HoldingTarget;
  beforeEach(() => {
    rig = new Rig();
    holding = new HoldingTarget();
    rig.dm.registerTarget(holding);
  });
  afterEach(() => rig.close());

  it("are cut where targets end, and each part lands in its place", async () => {
    const sda = rig.ram("sda");
    const sdb = rig.ram("sdb");
    const table = "0 3 linear sda 100\n3 4 striped 2 1 sda 200 sdb 200\n7 1 linear sdb 0\n8 8 zero";
    const { bdev } = await rig.dm.create({ name: "dm", table });
    const data = pattern(16 * 512);
    const write = rig.submit(bdev, ReqOp.WRITE, 0, data);
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(read(sda, 100, 3 * 512)).toEqual(data.subarray(0, 3 * 512));
    expect(read(sda, 200, 512)).toEqual(data.subarray(3 * 512, 4 * 512));
    expect(read(sdb, 200, 512)).toEqual(data.subarray(4 * 512, 5 * 512));
    expect(read(sda, 201, 512)).toEqual(data.subarray(5 * 512, 6 * 512));
    expect(read(sdb, 201, 512)).toEqual(data.subarray(6 * 512, 7 * 512));
    expect(read(sdb, 0, 512)).toEqual(data.subarray(7 * 512, 8 * 512));
    const back = pattern(16 * 512, 9);
    rig.submit(bdev, ReqOp.READ, 0, back);
    expect(back.subarray(0, 8 * 512)).toEqual(data.subarray(0, 8 * 512));
    expect(back.subarray(8 * 512)).toEqual(new Uint8Array(8 * 512));
  });

  it("are cut at a target's maxIoSectors, and end once with the first error", async () => {
    rig.ram("sda");
    holding.maxIoSectors = 4;
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    holding.answer = MapResult.SUBMITTED;
    const bio = rig.submit(bdev, ReqOp.WRITE, 2, pattern(8 * 512));
    expect(holding.seen.map(({ sector, sectors }) => [sector, sectors])).toEqual([
      [2, 2],
      [4, 4],
      [8, 2],
    ]);
    const [first, second, third] = holding.held;
    second!.end(BlkStatus.MEDIUM);
    third!.end(BlkStatus.TIMEOUT);
    expect(bio.ends).toEqual([]);
    first!.submit();
    expect(bio.ends).toEqual([BlkStatus.MEDIUM]);
  });

  it("a target may take less than it is given", async () => {
    rig.ram("sda");
    const parts: number[] = [];
    rig.dm.registerTarget({
      ...linearTarget,
      name: "taking",
      ctr: (args, spec) => ({
        ...holding.ctr(args, spec),
        map(bio, io) {
          io.acceptPartial(Math.min(3, bio.sectors));
          parts.push(bio.sectors);
          io.end(BlkStatus.OK);
          return MapResult.SUBMITTED;
        },
      }),
    });
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 taking sda 0" });
    expect(rig.submit(bdev, ReqOp.WRITE, 0, pattern(8 * 512)).ends).toEqual([BlkStatus.OK]);
    expect(parts).toEqual([3, 3, 2]);
  });

  it("a killed bio ends with IOERR; endIo may put off, change or requeue the end", async () => {
    rig.ram("sda");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    holding.answer = MapResult.KILL;
    expect(rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512)).ends).toEqual([BlkStatus.IOERR]);
    holding.answer = MapResult.REMAPPED;
    holding.endAnswer = EndIoResult.INCOMPLETE;
    const late = rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512));
    expect(late.ends).toEqual([]);
    holding.held.pop()!.end(BlkStatus.PROTECTION);
    expect(late.ends).toEqual([BlkStatus.PROTECTION]);
    holding.endAnswer = EndIoResult.REQUEUE;
    expect(rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512)).ends).toEqual([BlkStatus.IOERR]);
    holding.endAnswer = EndIoResult.DONE;
    holding.answer = MapResult.REQUEUE;
    expect(rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512)).ends).toEqual([BlkStatus.IOERR]);
  });

  it("one that needs more clones than most have on their way finds them", async () => {
    rig.sim("sda", { writeCache: true });
    const lines = Array.from({ length: 1025 }, (_, sector) => `${sector} 1 linear sda ${sector}`);
    const many = await rig.run(rig.dm.create({ name: "many", table: lines.join("\n") }));
    const flush = rig.submit(many.bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
    const chunks = Array.from({ length: 1100 }, (_, stripe) => `sda ${stripe * 8}`);
    const wide = await rig.run(rig.dm.create({ name: "wide", table: `0 8800 striped 1100 8 ${chunks.join(" ")}` }));
    const discard = rig.submit(wide.bdev, ReqOp.DISCARD, 0, 8800);
    rig.executor.runUntilIdle();
    expect([flush.ends, discard.ends]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
  });

  it("one that a target gives back as the device is removed ends", async () => {
    rig.ram("sda");
    const device = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    holding.answer = MapResult.SUBMITTED;
    const write = rig.submit(device.bdev, ReqOp.WRITE, 0, pattern(512));
    const suspended = device.suspend({ noflush: true });
    suspended.catch(() => {});
    await new Promise((resolve) => setImmediate(resolve));
    holding.endAnswer = EndIoResult.REQUEUE;
    holding.held.pop()!.submit();
    device.cancelSuspend();
    await rig.run(device.remove());
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.IOERR]);
  });

  it("ending a bio twice is a bug, and taking more of it than there is", async () => {
    rig.ram("sda");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    holding.answer = MapResult.SUBMITTED;
    rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512));
    const io = holding.held.pop()!;
    expect(() => io.acceptPartial(2)).toThrow(/accepts 2 of 1 sectors/);
    io.end(BlkStatus.OK);
    expect(() => io.end(BlkStatus.OK)).toThrow(/ended a bio twice/);
  });

  it("[DM-13] the flush in front of data is empty, goes to every target, and the data follows it", async () => {
    const order: string[] = [];
    const disks = ["sda", "sdb"].map((name) => rig.sim(name, { writeCache: true }));
    rig.layer.tracepoints.blockBioQueue.subscribe(({ bdev, opf, sectors, cryptCtx }) => {
      order.push(`${bdev!.name} ${(opf & ReqFlag.PREFLUSH) !== 0 ? "flush " : ""}${sectors} ${cryptCtx !== null}`);
    });
    const table = "0 64 linear sda 0\n64 64 striped 2 8 sda 64 sdb 64";
    const { bdev } = await rig.dm.create({ name: "dm", table });
    const write = rig.submit(bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(order).toEqual([
      "dm flush 1 false",
      "sda flush 0 false",
      "sda flush 0 false",
      "sdb flush 0 false",
      "sda 1 false",
    ]);
    expect(disks.map(({ seen }) => [seen.flushes > 0, seen.writes])).toEqual([
      [true, 1],
      [true, 0],
    ]);
  });

  it("data behind a flush that failed is not written", async () => {
    rig.sim("sda", { writeCache: true });
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    holding.answer = MapResult.KILL;
    const write = rig.submit(bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, pattern(512));
    expect(write.ends).toEqual([BlkStatus.IOERR]);
    expect(holding.seen).toHaveLength(1);
  });

  it("discards and write zeroes reach every stripe in one piece", async () => {
    const sda = rig.ram("sda");
    const sdb = rig.ram("sdb");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 striped 2 4 sda 0 sdb 0" });
    const ones = new Uint8Array(32 * 512).fill(1);
    for (const disk of [sda, sdb]) await disk.bdev.write(0, ones);
    const lower: string[] = [];
    const stop = rig.layer.tracepoints.blockBioRemap.subscribe(({ bdev: to, sector, sectors }) => {
      lower.push(`${to!.name} ${sector}+${sectors}`);
    });
    expect(rig.submit(bdev, ReqOp.WRITE_ZEROES, 6, 15).ends).toEqual([BlkStatus.OK]);
    expect(lower).toEqual(["sda 4+8", "sdb 2+7"]);
    lower.length = 0;
    expect(rig.submit(bdev, ReqOp.DISCARD, 1, 2).ends).toEqual([BlkStatus.OK]);
    expect(lower).toEqual(["sda 1+2"]);
    stop();
    const back = new Uint8Array(64 * 512);
    await bdev.read(0, back);
    const zeroes = [...Array(64).keys()].filter((sector) => back[sector * 512] === 0);
    expect(zeroes).toEqual([1, 2, ...Array.from({ length: 15 }, (_, index) => 6 + index)]);
  });

  it("an operation a target does not take is NOTSUPP", async () => {
    rig.ram("sda");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    expect(rig.submit(bdev, ReqOp.WRITE_ZEROES, 0, 8).ends).toEqual([BlkStatus.NOTSUPP]);
  });

  it("are counted for the device and its partitions, and traced", async () => {
    rig.ram("sda");
    const { bdev, disk } = await rig.dm.create({ name: "dm", table: "0 64 linear sda 100\n64 64 holding sda 0" });
    const part = disk.partition("dm1", 8, 16);
    const events: string[] = [];
    const { blockBioQueue, blockBioRemap, blockBioComplete, blockSplit } = rig.layer.tracepoints;
    blockBioQueue.subscribe((bio) => events.push(`queue ${bio.bdev!.name} ${bio.sector}`));
    blockBioRemap.subscribe((bio, from, sector) =>
      events.push(`remap ${from.name} ${sector} ${bio.bdev!.name} ${bio.sector}`),
    );
    blockBioComplete.subscribe((bio) => events.push(`complete ${bio.bdev!.name}`));
    blockSplit.subscribe((_bio, sector) => events.push(`split ${sector}`));
    rig.submit(part, ReqOp.WRITE, 2, pattern(4 * 512));
    expect(events).toEqual([
      "remap dm1 2 dm1 10",
      "queue dm1 10",
      "remap dm1 10 sda 110",
      "queue sda 110",
      "complete sda",
      "complete dm1",
    ]);
    events.length = 0;
    rig.submit(bdev, ReqOp.WRITE, 62, pattern(4 * 512));
    expect(events.filter((event) => !event.startsWith("complete"))).toEqual([
      "queue dm 62",
      "remap dm 62 sda 162",
      "queue sda 162",
      "split 64",
      "remap dm 64 sda 0",
      "queue sda 0",
    ]);
    expect(part.stat()).toMatchObject({ writeIos: 1, writeSectors: 4, inFlight: 0 });
    expect(bdev.stat()).toMatchObject({ writeIos: 3, writeSectors: 8, inFlight: 0 });
  });

  it("a submitter gets its bio back as it was, though it went to the device below itself", async () => {
    rig.ram("sda");
    await rig.dm.create({ name: "low", table: "0 1000 linear sda 100" });
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 linear low 200" });
    const bio = rig.layer.bioSet.tryAlloc(bdev, ReqOp.WRITE)!;
    const mine = {};
    let seen: unknown[] = [];
    bio.sector = 5;
    bio.privateData = mine;
    bio.addBuffer(pattern(512));
    bio.onEndIo = (ended) => {
      seen = [ended.bdev, ended.sector, ended.privateData, ended.remapped];
      ended.put();
    };
    rig.layer.submitBio(bio);
    expect(seen).toEqual([bdev, 5, mine, true]);
  });

  it("a bio that the device below refuses comes back as it was too", async () => {
    const sda = rig.ram("sda");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 linear sda 100" });
    await sda.close();
    const { bio } = rig.bio(bdev, ReqOp.WRITE, 5, pattern(512));
    let seen: unknown[] = [];
    bio.onEndIo = (ended) => {
      seen = [ended.status, ended.bdev, ended.sector, ended.remapped];
      ended.put();
    };
    rig.layer.submitBio(bio);
    expect(seen).toEqual([BlkStatus.IOERR, bdev, 5, true]);
  });

  it("per-I/O data is made once and kept", async () => {
    rig.ram("sda");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    for (let round = 0; round < 5; round++) rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512));
    expect(new Set(holding.seen.map(({ data }) => data)).size).toBe(1);
  });

  it("more than the pools hold wait their turn, and none is lost", async () => {
    rig = new Rig({ maxBios: 4000 });
    rig.dm.registerTarget(holding);
    rig.ram("sda");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    holding.answer = MapResult.SUBMITTED;
    const bios = Array.from({ length: 2500 }, () => rig.submit(bdev, ReqOp.READ, 0, new Uint8Array(512)));
    expect(holding.held).toHaveLength(1024);
    const hurried = rig.submit(bdev, ReqOp.READ | ReqFlag.NOWAIT, 0, new Uint8Array(512));
    expect(hurried.ends).toEqual([BlkStatus.AGAIN]);
    while (holding.held.length > 0) {
      holding.held.shift()!.end(BlkStatus.OK);
      rig.executor.runUntilIdle();
    }
    expect(new Set(bios.map(({ ends }) => ends.join()))).toEqual(new Set(["0"]));
  });

  it("what comes while others wait goes behind them", async () => {
    rig = new Rig({ maxBios: 2000 });
    rig.dm.registerTarget(holding);
    rig.ram("sda");
    const { bdev } = await rig.dm.create({ name: "dm", table: "0 64 holding sda 0" });
    holding.answer = MapResult.SUBMITTED;
    for (let count = 0; count < 1025; count++) rig.submit(bdev, ReqOp.READ, count < 1024 ? 0 : 1, new Uint8Array(512));
    holding.held.shift()!.end(BlkStatus.OK);
    rig.submit(bdev, ReqOp.READ, 2, new Uint8Array(512));
    holding.held.shift()!.end(BlkStatus.OK);
    rig.executor.runUntilIdle();
    expect(holding.seen.slice(1024).map(({ sector }) => sector)).toEqual([1, 2]);
    for (const io of holding.held) io.end(BlkStatus.OK);
  });

  it("every allocation may fail: I/O waits and ends well", async () => {
    const data = pattern(32 * 512);
    const failed = await failEachAllocation(async (faults) => {
      const world = new Rig({ failAlloc: faults.failAlloc });
      const sda = world.sim("sda");
      world.sim("sdb");
      const table = "0 16 linear sda 0\n16 16 striped 2 4 sda 16 sdb 16";
      const { bdev } = await world.run(world.dm.create({ name: "dm", table }));
      const bios = [
        world.submit(bdev, ReqOp.WRITE, 0, data),
        world.submit(bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, data.subarray(0, 512)),
        world.submit(bdev, ReqOp.DISCARD, 24, 8),
      ];
      world.executor.runUntilIdle();
      expect(bios.map(({ ends }) => ends)).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.OK]]);
      expect(read(sda, 0, 16 * 512)).toEqual(data.subarray(0, 16 * 512));
      await world.close();
    });
    expect(failed).toBeGreaterThan(5);
  });
});

describe("requeueing", () => {
  it("[DM-12] the DUN is rewound with borrow across limbs", () => {
    const dun = newDun(1n << 96n);
    dunDecrement(dun, 1);
    expect(dunToBigInt(dun)).toBe((1n << 96n) - 1n);
    const any = fc.bigInt({ min: 0n, max: (1n << 256n) - 1n });
    const count = fc.oneof(fc.nat(), fc.integer({ min: 0, max: 2 ** 53 - 1 }));
    fc.assert(
      fc.property(any, count, (value, dataUnits) => {
        const at = newDun(value);
        dunDecrement(at, dataUnits);
        expect(dunToBigInt(at)).toBe(BigInt.asUintN(256, value - BigInt(dataUnits)));
      }),
      { seed: 12, numRuns: 500 },
    );
  });

  it("what a target gives back during a noflush suspend goes to the next table, part by part", async () => {
    const rig = new Rig();
    const holding = new HoldingTarget();
    holding.maxIoSectors = 8;
    rig.dm.registerTarget(holding);
    rig.ram("sda");
    const sdb = rig.ram("sdb");
    const device = await rig.run(rig.dm.create({ name: "dm", table: "0 64 holding sda 0" }));
    holding.answer = MapResult.SUBMITTED;
    const data = pattern(24 * 512);
    const write = rig.bio(device.bdev, ReqOp.WRITE, 4, data.subarray(0, 700)).bio;
    write.addBuffer(data, 700, 5000);
    write.addBuffer(data, 5700, data.length - 5700);
    const ends: BlkStatus[] = [];
    write.onEndIo = (bio) => {
      ends.push(bio.status);
      bio.put();
    };
    rig.layer.submitBio(write);
    const flush = rig.submit(device.bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
    expect(holding.held).toHaveLength(4);
    holding.answer = MapResult.REQUEUE;
    const suspended = device.suspend({ noflush: true });
    await new Promise((resolve) => setImmediate(resolve));
    holding.endAnswer = EndIoResult.REQUEUE;
    // The second part has gone through; the others come back, in whatever order.
    for (const index of [3, 1, 0, 2]) {
      holding.endAnswer = index === 1 ? EndIoResult.DONE : EndIoResult.REQUEUE;
      holding.held[index]!.submit();
    }
    await rig.run(suspended);
    expect(ends).toEqual([]);
    await device.load("0 64 linear sdb 0");
    await rig.run(device.resume());
    rig.executor.runUntilIdle();
    expect(ends).toEqual([BlkStatus.OK]);
    expect(flush.ends).toEqual([BlkStatus.OK]);
    expect(read(sdb, 4, 4 * 512)).toEqual(data.subarray(0, 4 * 512));
    expect(read(sdb, 8, 8 * 512)).toEqual(new Uint8Array(8 * 512));
    expect(read(sdb, 16, 12 * 512)).toEqual(data.subarray(12 * 512));
    await rig.close();
  });

  it("every allocation may fail: a noflush suspend gets what targets give back, and ends", async () => {
    const failed = await failEachAllocation(async (faults) => {
      const world = new Rig({ failAlloc: faults.failAlloc });
      const holding = new HoldingTarget();
      holding.maxIoSectors = 2;
      world.dm.registerTarget(holding);
      const disk = world.sim("sda");
      const device = await world.run(world.dm.create({ name: "dm", table: "0 64 holding sda 0" }));
      holding.answer = MapResult.SUBMITTED;
      const write = world.submit(device.bdev, ReqOp.WRITE, 0, pattern(4096));
      world.executor.runUntilIdle();
      const suspended = device.suspend({ noflush: true });
      await new Promise((resolve) => setImmediate(resolve));
      holding.endAnswer = EndIoResult.REQUEUE;
      for (const { bio } of holding.held) bio!.endIo();
      await world.run(suspended);
      await device.load("0 64 linear sda 0");
      await world.run(device.resume());
      world.executor.runUntilIdle();
      expect(write.ends).toEqual([BlkStatus.OK]);
      expect(read(disk, 0, 4096)).toEqual(pattern(4096));
      await world.close();
    });
    expect(failed).toBeGreaterThan(5);
  });
});

it("two device mappers know nothing of each other", async () => {
  const one = new Rig();
  const other = new Rig();
  expect(one.layer).toBeInstanceOf(BlockLayer);
  await one.dm.create({ name: "dm" });
  expect(other.dm.devices()).toEqual([]);
});
