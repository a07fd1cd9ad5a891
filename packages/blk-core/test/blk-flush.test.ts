import { BlkMqQueue, BlkStatus, GenDisk, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, FakeProfile, fakeKey, makeBio, makeRig, submit } from "./support.js";

const FLUSH = ReqOp.WRITE | ReqFlag.PREFLUSH;
const FUA = ReqOp.WRITE | ReqFlag.FUA;

describe("a device without a write cache", () => {
  it("never sees flush or FUA", () => {
    const rig = makeRig();
    expect(submit(rig, 0, 0, { op: FLUSH })).toEqual([BlkStatus.OK]);
    submit(rig, 0, 8, { op: FUA });
    expect(rig.driver.log).toEqual(["WRITE 0+8"]);
    expect(rig.driver.taken[0]!.opf).toBe(ReqOp.WRITE);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });
});

describe("a write cache that comes or goes while the queue is frozen", () => {
  it("is flushed for what waited", async () => {
    const rig = makeRig();
    await rig.queue.freeze();
    const ends = [submit(rig, 0, 8, { op: FUA }), submit(rig, 0, 0, { op: FLUSH })];
    rig.queue.commitLimits({ writeCache: true });
    rig.queue.unfreeze();
    rig.driver.completeAll();
    expect([rig.driver.log, ends]).toEqual([
      ["WRITE 0+8", "FLUSH 0+0"],
      [[BlkStatus.OK], [BlkStatus.OK]],
    ]);
    expectNoLeaks(rig);
  });

  it("is not flushed where there is none", async () => {
    const rig = makeRig({ limits: { writeCache: true } });
    await rig.queue.freeze();
    const ends = [submit(rig, 0, 8, { op: FUA }), submit(rig, 0, 0, { op: FLUSH })];
    rig.queue.commitLimits({ writeCache: false });
    rig.queue.unfreeze();
    expect(rig.driver.taken.map((rq) => rq.opf)).toEqual([ReqOp.WRITE]);
    rig.driver.completeAll();
    expect([rig.driver.log, ends]).toEqual([["WRITE 0+8"], [[BlkStatus.OK], [BlkStatus.OK]]]);
    expectNoLeaks(rig);
  });

  it("is not missed by what comes between the check and the queue", async () => {
    const rig = makeRig();
    await rig.queue.freeze();
    const other = makeRig();
    const queue = new BlkMqQueue(rig.layer, { ops: other.driver });
    const disk = new GenDisk({ name: "other0", queue, sectorCount: 8 });
    const { bio } = makeBio({ ...rig, disk }, 0, 8);
    let ends: BlkStatus[] = [];
    bio.onEndIo = () => {
      bio.put();
      ends = submit(rig, 0, 0, { op: FLUSH });
      rig.queue.unfreeze();
    };
    other.driver.synchronous = BlkStatus.OK;
    rig.layer.submitBio(bio);
    expect([rig.driver.log, ends]).toEqual([[], [BlkStatus.OK]]);
    expectNoLeaks(rig);
  });
});

describe("a device with a write cache", () => {
  it("flushes alone for an empty bio", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const ends = submit(rig, 0, 0, { op: FLUSH });
    expect(rig.driver.log).toEqual(["FLUSH 0+0"]);
    expect(ends).toEqual([]);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("flushes before, writes, flushes after", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const ends = submit(rig, 8, 8, { op: FLUSH | ReqFlag.FUA });
    expect(rig.driver.log).toEqual(["FLUSH 0+0"]);
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["FLUSH 0+0", "WRITE 8+8"]);
    expect(rig.driver.taken[0]!.opf).toBe(ReqOp.WRITE);
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["FLUSH 0+0", "WRITE 8+8", "FLUSH 0+0"]);
    expect(ends).toEqual([]);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("leaves FUA to a device that has it", () => {
    const rig = makeRig({ limits: { writeCache: true, fua: true } });
    const ends = submit(rig, 8, 8, { op: FUA });
    expect(rig.driver.taken[0]!.opf).toBe(FUA);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("serves all that wait with the next flush, never with one that began before them", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const early = submit(rig, 0, 0, { op: FLUSH });
    const late = [submit(rig, 0, 0, { op: FLUSH }), submit(rig, 0, 0, { op: FLUSH })];
    expect(rig.driver.log).toHaveLength(1);
    rig.driver.completeNext();
    expect([early, late]).toEqual([[BlkStatus.OK], [[], []]]);
    expect(rig.driver.log).toHaveLength(2);
    rig.driver.completeNext();
    expect(late).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expect(rig.driver.log).toHaveLength(2);
    expectNoLeaks(rig);
  });

  it("tells every waiter that the flush failed, and writes nothing after a failed preflush", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    submit(rig, 0, 0, { op: FLUSH });
    const ends = [submit(rig, 0, 0, { op: FLUSH }), submit(rig, 8, 8, { op: FLUSH })];
    rig.driver.completeNext();
    rig.driver.completeNext(BlkStatus.IOERR);
    expect(ends).toEqual([[BlkStatus.IOERR], [BlkStatus.IOERR]]);
    expect(rig.driver.log).toEqual(["FLUSH 0+0", "FLUSH 0+0"]);
    expectNoLeaks(rig);
  });

  it("does not flush after a failed write", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const ends = submit(rig, 8, 8, { op: FUA });
    rig.driver.completeNext(BlkStatus.NOSPC);
    expect(ends).toEqual([BlkStatus.NOSPC]);
    expect(rig.driver.log).toEqual(["WRITE 8+8"]);
    expectNoLeaks(rig);
  });

  it.each([BlkStatus.OK, BlkStatus.MEDIUM])(
    "ends a FUA write after its flush, also when its driver updates it as a whole, with status %d",
    (status) => {
      const rig = makeRig({ limits: { writeCache: true } });
      const ends = submit(rig, 8, 8, { op: FUA });
      const rq = rig.driver.taken[0]!;
      expect([rq.update(BlkStatus.OK, 1024), rq.update(status, 3072)]).toEqual([true, false]);
      rig.driver.completeNext();
      expect([rig.driver.log, ends]).toEqual([["WRITE 8+8", "FLUSH 0+0"], []]);
      rig.driver.completeNext();
      expect(ends).toEqual([status]);
      expect(rig.disk.part0.stat()).toMatchObject({ writeIos: 1, writeSectors: 8 });
      expectNoLeaks(rig);
    },
  );

  it("flushes once for all FUA writes whose data was on its way together", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const ends = [submit(rig, 0, 8, { op: FUA }), submit(rig, 100, 8, { op: FUA })];
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["WRITE 0+8", "WRITE 100+8"]);
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["WRITE 0+8", "WRITE 100+8", "FLUSH 0+0"]);
    expect(ends).toEqual([[], []]);
    rig.driver.completeNext();
    expect(ends).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expectNoLeaks(rig);
  });

  it("waits for data no longer than 5 s, and ends each FUA write after a flush that began after its data", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const slow = submit(rig, 0, 8, { op: FUA });
    const first = submit(rig, 100, 8, { op: FUA });
    const slowRq = rig.driver.taken.shift()!;
    rig.driver.completeNext();
    rig.executor.advance(5000);
    const second = submit(rig, 200, 8, { op: FUA });
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["WRITE 0+8", "WRITE 100+8", "WRITE 200+8", "FLUSH 0+0"]);
    slowRq.complete(BlkStatus.OK);
    rig.driver.completeNext();
    expect([slow, first, second]).toEqual([[], [BlkStatus.OK], [BlkStatus.OK]]);
    rig.driver.completeNext();
    expect(slow).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("its data is never merged, whatever became of its flags", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    rig.layer.startPlug();
    submit(rig, 0, 8, { op: FUA });
    submit(rig, 8, 8, { op: ReqOp.WRITE });
    rig.layer.finishPlug();
    expect(rig.driver.log).toEqual(["WRITE 0+8", "WRITE 8+8"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("works with a driver that completes at once, and puts the keyslot once", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const profile = new FakeProfile();
    rig.queue.registerCryptoProfile(profile);
    rig.driver.synchronous = BlkStatus.OK;
    expect(submit(rig, 8, 8, { op: FLUSH | ReqFlag.FUA, key: fakeKey() })).toEqual([BlkStatus.OK]);
    expect(rig.driver.log).toEqual(["FLUSH 0+0", "WRITE 8+8", "FLUSH 0+0"]);
    expect(profile.held).toBe(0);
    expectNoLeaks(rig);
  });

  it("needs a tag like any other bio", () => {
    const rig = makeRig({ queueDepth: 1, limits: { writeCache: true } });
    submit(rig, 0, 8, { op: ReqOp.WRITE });
    const flush = submit(rig, 0, 0, { op: FLUSH });
    expect(rig.driver.log).toEqual(["WRITE 0+8"]);
    rig.driver.completeNext();
    rig.driver.completeNext();
    expect(flush).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("needs no keyslot for the flush that follows an encrypted write", () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const profile = new FakeProfile();
    rig.queue.registerCryptoProfile(profile);
    const ends = submit(rig, 8, 8, { op: FUA, key: fakeKey() });
    expect(profile.held).toBe(1);
    rig.driver.completeNext();
    expect([rig.driver.log, profile.held, ends]).toEqual([["WRITE 8+8", "FLUSH 0+0"], 0, []]);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });
});
