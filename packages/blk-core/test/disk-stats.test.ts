import { DiskStats, formatDiskStats, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";

const { READ, WRITE, DISCARD, WRITE_ZEROES } = ReqOp;

describe("DiskStats", () => {
  it("counts I/O, sectors and time by kind; zeroing counts as writing", () => {
    const stats = new DiskStats(null);
    for (const [op, sectors, ms] of [
      [READ, 8, 3],
      [WRITE, 16, 5],
      [WRITE_ZEROES, 32, 7],
      [DISCARD, 64, 11],
    ] as const) {
      stats.start(op, 100);
      stats.moved(op, sectors);
      stats.done(op, 100, 100 + ms);
    }
    stats.flushed(200, 213);
    expect(stats.snapshot(300)).toMatchObject({
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
    const stats = new DiskStats(null);
    stats.start(READ, 1000);
    stats.start(WRITE, 1002);
    stats.done(READ, 1000, 1005);
    stats.done(WRITE, 1002, 1009);
    stats.start(READ, 2000);
    stats.done(READ, 2000, 2001);
    expect(stats.snapshot(3000).ioTicksMs).toBe(10);
  });

  it("a snapshot counts the time of what is still in flight", () => {
    const stats = new DiskStats(null);
    stats.start(READ, 10);
    expect(stats.snapshot(14)).toMatchObject({ inFlight: 1, ioTicksMs: 4, readMs: 0 });
    stats.done(READ, 10, 16);
    expect(stats.snapshot(20)).toMatchObject({ inFlight: 0, ioTicksMs: 6, readMs: 6 });
  });

  it("a clock that reads the same twice, or earlier, adds nothing", () => {
    const stats = new DiskStats(null);
    stats.start(READ, 10);
    stats.start(READ, 10);
    stats.done(READ, 10, 9);
    expect(stats.snapshot(10).ioTicksMs).toBe(0);
  });

  it("knows reads and writes in flight apart", () => {
    const stats = new DiskStats(null);
    stats.start(READ, 0);
    stats.start(WRITE, 0);
    stats.start(DISCARD, 0);
    expect([stats.inFlightReads, stats.inFlightWrites]).toEqual([1, 2]);
  });

  it("merges: a bio's changes nothing in flight, a request's takes one out", () => {
    const stats = new DiskStats(null);
    stats.start(WRITE, 0);
    stats.mergedBio(WRITE);
    stats.start(WRITE, 0);
    stats.mergedRequest(WRITE);
    stats.mergedBio(DISCARD);
    stats.mergedBio(READ);
    expect(stats.snapshot(0)).toMatchObject({ writeMerges: 2, discardMerges: 1, readMerges: 1, inFlight: 1 });
  });

  it("what a partition counts its disk counts too; flushes are the disk's", () => {
    const disk = new DiskStats(null);
    const part = new DiskStats(disk);
    part.start(READ, 1);
    part.moved(READ, 8);
    part.mergedBio(READ);
    part.done(READ, 1, 3);
    part.start(WRITE, 5);
    disk.flushed(0, 1);
    disk.start(READ, 5);
    const seen = { readIos: 1, readSectors: 8, readMerges: 1, readMs: 2, ioTicksMs: 2 };
    expect(part.snapshot(5)).toMatchObject({ ...seen, inFlight: 1, flushIos: 0 });
    expect(disk.snapshot(5)).toMatchObject({ ...seen, inFlight: 2, flushIos: 1 });
  });

  it("formats as /sys/block/<disk>/stat", () => {
    const stats = new DiskStats(null);
    stats.start(READ, 0);
    stats.moved(READ, 8);
    stats.done(READ, 0, 1.75);
    stats.start(WRITE, 2);
    stats.flushed(0, 4.5);
    expect(formatDiskStats(stats.snapshot(2))).toBe("1 0 8 1 0 0 0 0 1 1 6 0 0 0 0 1 4");
  });
});
