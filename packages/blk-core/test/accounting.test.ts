import {
  BioCryptCtx,
  BlkStatus,
  type DiskStatsSnapshot,
  insertClonedRequest,
  newDun,
  ReqFlag,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { FakeProfile, fakeKey, makeRig, type Rig, submit } from "./support.js";

const stat = (rig: Rig): DiskStatsSnapshot => rig.disk.part0.stat();

describe("accounting", () => {
  it("a request counts when it ends, with its time from the bio's submission", () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    rig.executor.advance(3);
    submit(rig, 100, 16, { op: ReqOp.WRITE });
    rig.executor.advance(2);
    expect(stat(rig)).toMatchObject({ inFlight: 2, readIos: 0, writeIos: 0, ioTicksMs: 5 });
    rig.driver.completeNext();
    rig.executor.advance(1);
    rig.driver.completeNext();
    rig.executor.advance(10);
    expect(stat(rig)).toMatchObject({
      ...{ readIos: 1, readSectors: 8, readMs: 5, writeIos: 1, writeSectors: 16, writeMs: 3 },
      ...{ inFlight: 0, ioTicksMs: 6, timeInQueueMs: 8 },
    });
  });

  it("discards count apart", () => {
    const rig = makeRig({ limits: { maxDiscardSectors: 64 } });
    const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, ReqOp.DISCARD)!;
    bio.bytes = 32 * 512;
    bio.onEndIo = (ended) => ended.put();
    rig.layer.submitBio(bio);
    rig.driver.completeAll();
    expect(stat(rig)).toMatchObject({ discardIos: 1, discardSectors: 32, writeIos: 0 });
  });

  it("merged bios make one I/O, with the time of the first", () => {
    const rig = makeRig();
    rig.layer.startPlug();
    submit(rig, 8, 8);
    submit(rig, 16, 8);
    submit(rig, 0, 8);
    expect(stat(rig)).toMatchObject({ inFlight: 1, readMerges: 2 });
    rig.layer.finishPlug();
    rig.driver.completeAll();
    expect(stat(rig)).toMatchObject({ inFlight: 0, readIos: 1, readMerges: 2, readSectors: 24 });
  });

  it("each part of a split bio is an I/O", () => {
    const rig = makeRig({ limits: { maxSectors: 8 } });
    submit(rig, 0, 20);
    rig.driver.completeAll();
    expect(stat(rig)).toMatchObject({ readIos: 3, readSectors: 20 });
  });

  it("sectors count as parts of a request are done, the request once", () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    const rq = rig.driver.taken.shift()!;
    rq.update(BlkStatus.OK, 1024);
    expect(stat(rig)).toMatchObject({ readIos: 0, readSectors: 2, inFlight: 1 });
    rq.queue.requeue(rq);
    rig.executor.runUntilIdle();
    rig.driver.completeAll();
    expect(stat(rig)).toMatchObject({ readIos: 1, readSectors: 8, inFlight: 0 });
  });

  it("I/O of a partition counts there and for the disk", () => {
    const rig = makeRig();
    const part = rig.disk.partition("test0p1", 1000, 100);
    const other = rig.disk.partition("test0p2", 2000, 100);
    const bio = rig.layer.bioSet.tryAlloc(part, ReqOp.READ)!;
    bio.addBuffer(new Uint8Array(4096));
    bio.onEndIo = (ended) => ended.put();
    rig.layer.submitBio(bio);
    expect([part, other, rig.disk.part0].map((bdev) => bdev.stat().inFlight)).toEqual([1, 0, 1]);
    rig.driver.completeAll();
    expect([part, other, rig.disk.part0].map((bdev) => bdev.stat().readIos)).toEqual([1, 0, 1]);
  });

  it("one flush for many waiters counts once; each of their writes counts too", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    for (const sector of [0, 100, 200]) submit(rig, sector, 8, { op: ReqOp.WRITE | ReqFlag.PREFLUSH });
    rig.executor.advance(2);
    rig.driver.completeNext(); // the first one's flush; the others' waits for its data
    rig.driver.completeNext();
    rig.executor.advance(3);
    rig.driver.completeAll();
    expect(rig.driver.log.filter((line) => line.startsWith("FLUSH"))).toHaveLength(2);
    expect(stat(rig)).toMatchObject({ flushIos: 2, writeIos: 3, writeSectors: 24, inFlight: 0 });
    expect(stat(rig).flushMs).toBe(2 + 3);
  });

  it("a request that fails, or gets no keyslot, is not left in flight", () => {
    const rig = makeRig();
    const profile = new FakeProfile();
    rig.queue.registerCryptoProfile(profile);
    submit(rig, 0, 8);
    rig.driver.completeNext(BlkStatus.MEDIUM);
    profile.answer = BlkStatus.IOERR;
    submit(rig, 0, 8, { key: fakeKey() });
    expect(stat(rig)).toMatchObject({ inFlight: 0, readIos: 2 });
  });

  it("nothing counts without ioStats", () => {
    const rig = makeRig({ limits: { ioStats: false, writeCache: true } });
    submit(rig, 0, 8, { op: ReqOp.WRITE | ReqFlag.PREFLUSH });
    expect(stat(rig).inFlight).toBe(0);
    rig.driver.completeAll();
    expect(stat(rig)).toMatchObject({ writeIos: 0, flushIos: 0, ioTicksMs: 0 });
  });

  it("requests that merge count as one, as old as the older", () => {
    const rig = makeRig();
    rig.layer.startPlug();
    submit(rig, 0, 8);
    rig.executor.advance(4);
    submit(rig, 16, 8);
    expect(stat(rig).inFlight).toBe(2);
    submit(rig, 8, 8);
    expect(stat(rig)).toMatchObject({ inFlight: 1, readMerges: 2 });
    rig.layer.finishPlug();
    expect(rig.driver.log).toEqual(["READ 0+24"]);
    rig.driver.completeAll();
    expect(stat(rig)).toMatchObject({ inFlight: 0, readIos: 1, readSectors: 24, readMs: 4 });
  });

  it("a clone counts on the lower disk, from when it is issued", () => {
    const rig = makeRig();
    const { queue } = rig;
    const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, ReqOp.READ)!;
    bio.addBuffer(new Uint8Array(4096));
    const clone = queue.tryAllocRequest(ReqOp.READ)!;
    clone.bio = bio;
    clone.bioTail = bio;
    clone.bytes = 4096;
    clone.segmentCount = 1;
    clone.onEnd = (rq) => queue.freeRequest(rq);
    rig.driver.answers.push(BlkStatus.RESOURCE);
    expect(insertClonedRequest(clone, () => {})).toBe(BlkStatus.RESOURCE);
    expect(stat(rig).inFlight).toBe(0);
    expect(insertClonedRequest(clone, () => {})).toBe(BlkStatus.OK);
    expect(stat(rig).inFlight).toBe(1);
    rig.driver.completeAll();
    expect(stat(rig)).toMatchObject({ inFlight: 0, readSectors: 8 });
    bio.put();
  });

  it("[CORE-40] a clone that gets no keyslot is not accounted", () => {
    const rig = makeRig();
    const profile = new FakeProfile();
    rig.queue.registerCryptoProfile(profile);
    const clone = rig.queue.tryAllocRequest(ReqOp.READ)!;
    const ctx = new BioCryptCtx();
    ctx.set(fakeKey(), newDun(0n));
    clone.setCryptCtx(ctx);
    clone.bytes = 4096;
    profile.answer = BlkStatus.DEV_RESOURCE;
    expect(insertClonedRequest(clone, () => {})).toBe(BlkStatus.DEV_RESOURCE);
    expect(stat(rig)).toMatchObject({ inFlight: 0, readIos: 0, readSectors: 0 });
    rig.queue.freeRequest(clone);
  });
});
