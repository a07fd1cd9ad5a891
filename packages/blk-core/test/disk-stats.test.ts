import {
  type CountedIo,
  DiskStats,
  type DiskStatsSnapshot,
  formatDiskStats,
  IoClock,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { beforeEach, describe, expect, it } from "vitest";

const { READ, WRITE, DISCARD, WRITE_ZEROES } = ReqOp;

describe("DiskStats", () => {
  let nowMs: number;
  const clock = new IoClock({ nowMs: () => nowMs });

  beforeEach(() => {
    nowMs = 0;
  });

  function start(stats: DiskStats, op: ReqOp, atMs: number): CountedIo {
    nowMs = atMs;
    const io = { counts: null, startMs: Number.NaN };
    stats.countsOf(op).start(io);
    return io;
  }

  function done(stats: DiskStats, op: ReqOp, io: CountedIo, atMs: number): void {
    nowMs = atMs;
    stats.countsOf(op).done(io);
  }

  function snapshot(stats: DiskStats, atMs: number): DiskStatsSnapshot {
    nowMs = atMs;
    return stats.snapshot();
  }

  it("counts I/O, sectors and time by kind; zeroing counts as writing", () => {
    const stats = new DiskStats(clock, null);
    for (const [op, sectors, ms] of [
      [READ, 8, 3],
      [WRITE, 16, 5],
      [WRITE_ZEROES, 32, 7],
      [DISCARD, 64, 11],
    ] as const) {
      const io = start(stats, op, 100);
      stats.countsOf(op).moved(sectors);
      done(stats, op, io, 100 + ms);
    }
    nowMs = 213;
    stats.flushed({ startMs: 200 });
    expect(snapshot(stats, 300)).toMatchObject({
      readIos: 1,
      readSectors: 8,
      readMs: 3,
      writeIos: 2,
      writeSectors: 48,
      writeMs: 12,
      discardIos: 1,
      discardSectors: 64,
      discardMs: 11,
      flushIos: 1,
      flushMs: 13,
      timeInQueueMs: 3 + 12 + 11 + 13,
      inFlight: 0,
    });
  });

  it("time with I/O in flight counts once, however much is; idle time does not", () => {
    const stats = new DiskStats(clock, null);
    const read = start(stats, READ, 1000);
    const write = start(stats, WRITE, 1002);
    done(stats, READ, read, 1005);
    done(stats, WRITE, write, 1009);
    done(stats, READ, start(stats, READ, 2000), 2001);
    expect(snapshot(stats, 3000).ioTicksMs).toBe(10);
  });

  it("a snapshot counts the time of what is still in flight", () => {
    const stats = new DiskStats(clock, null);
    const io = start(stats, READ, 10);
    expect(snapshot(stats, 14)).toMatchObject({ inFlight: 1, ioTicksMs: 4, readMs: 0 });
    done(stats, READ, io, 16);
    expect(snapshot(stats, 20)).toMatchObject({ inFlight: 0, ioTicksMs: 6, readMs: 6 });
  });

  it("a clock that reads the same twice, or earlier, adds nothing", () => {
    const stats = new DiskStats(clock, null);
    start(stats, READ, 10);
    const io = start(stats, READ, 10);
    done(stats, READ, io, 9);
    expect(snapshot(stats, 10).ioTicksMs).toBe(0);
  });

  it("knows reads and writes in flight apart", () => {
    const stats = new DiskStats(clock, null);
    start(stats, READ, 0);
    start(stats, WRITE, 0);
    start(stats, DISCARD, 0);
    expect([stats.inFlightReads, stats.inFlightWrites]).toEqual([1, 2]);
  });

  it("merges: a bio's changes nothing in flight, a request's takes one out", () => {
    const stats = new DiskStats(clock, null);
    start(stats, WRITE, 0);
    stats.countsOf(WRITE).mergedBio();
    start(stats, WRITE, 0);
    stats.countsOf(WRITE).mergedRequest();
    stats.countsOf(DISCARD).mergedBio();
    stats.countsOf(READ).mergedBio();
    expect(snapshot(stats, 0)).toMatchObject({ writeMerges: 2, discardMerges: 1, readMerges: 1, inFlight: 1 });
  });

  it("what a partition counts its disk counts too; flushes are the disk's", () => {
    const disk = new DiskStats(clock, null);
    const part = new DiskStats(clock, disk);
    const io = start(part, READ, 1);
    part.countsOf(READ).moved(8);
    part.countsOf(READ).mergedBio();
    done(part, READ, io, 3);
    start(part, WRITE, 5);
    disk.flushed({ startMs: 4 });
    start(disk, READ, 5);
    const seen = { readIos: 1, readSectors: 8, readMerges: 1, readMs: 2, ioTicksMs: 2 };
    expect(snapshot(part, 5)).toMatchObject({ ...seen, inFlight: 1, flushIos: 0 });
    expect(snapshot(disk, 5)).toMatchObject({ ...seen, inFlight: 2, flushIos: 1 });
  });

  it("formats as /sys/block/<disk>/stat", () => {
    const stats = new DiskStats(clock, null);
    const io = start(stats, READ, 0);
    stats.countsOf(READ).moved(8);
    done(stats, READ, io, 1.75);
    start(stats, WRITE, 2);
    nowMs = 4.5;
    stats.flushed({ startMs: 0 });
    expect(formatDiskStats(snapshot(stats, 2))).toBe("1 0 8 1 0 0 0 0 1 1 6 0 0 0 0 1 4");
  });
});

describe("IoClock", () => {
  it("reads the executor's clock each time, unless it is held: then once, on first use", () => {
    let reads = 0;
    const clock = new IoClock({ nowMs: () => ++reads });
    const seen = (): number => {
      clock.refresh();
      return clock.ms;
    };
    expect([seen(), seen()]).toEqual([1, 2]);
    clock.hold();
    expect(reads).toBe(2);
    expect([seen(), seen()]).toEqual([3, 3]);
    clock.release();
    expect([seen(), seen()]).toEqual([4, 5]);
  });
});
