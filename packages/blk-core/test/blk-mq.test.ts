import {
  BlkBug,
  BlkMqQueue,
  BlkStatus,
  dunToBigInt,
  KEYSLOT_PENDING,
  ReqFlag,
  ReqOp,
  RequestState,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import {
  type BioOptions,
  expectNoLeaks,
  FakeProfile,
  fakeKey,
  ManualDriver,
  makeBio,
  makeRig,
  type Rig,
  submit,
} from "./support.js";

function cryptoRig(options: Parameters<typeof makeRig>[0] = {}): Rig & { profile: FakeProfile } {
  const rig = makeRig(options);
  const profile = new FakeProfile();
  rig.queue.registerCryptoProfile(profile);
  return { ...rig, profile };
}

const crc1Of2048 = { logicalBlockBytes: 2048, integrity: { csum: "crc", type: 1 } } as const;

describe("splitting to limits", () => {
  it("cuts at max sectors and ends the bio once, after all parts, with the first error", () => {
    const rig = makeRig({ limits: { maxSectors: 8 } });
    const ends = submit(rig, 0, 20, { op: ReqOp.WRITE });
    expect(rig.driver.log).toEqual(["WRITE 0+8", "WRITE 8+8", "WRITE 16+4"]);
    rig.driver.completeNext();
    rig.driver.completeNext(BlkStatus.MEDIUM);
    expect(ends).toEqual([]);
    rig.driver.completeNext(BlkStatus.TIMEOUT);
    expect(ends).toEqual([BlkStatus.MEDIUM]);
    expectNoLeaks(rig);
  });

  it("cuts at max segments and max segment bytes", () => {
    const rig = makeRig({ limits: { maxSegments: 2, maxSegmentBytes: 1024 } });
    const many = submit(rig, 0, 4, { vecs: [512, 512, 512, 512] });
    const large = submit(rig, 64, 6, { vecs: [3072] });
    expect(rig.driver.log).toEqual(["READ 0+2", "READ 2+2", "READ 64+4", "READ 68+2"]);
    rig.driver.completeAll();
    expect([many, large]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expectNoLeaks(rig);
  });

  it("[CORE-14] never cuts a data unit", () => {
    const rig = cryptoRig({ limits: { maxSectors: 15 } });
    submit(rig, 0, 32, { key: fakeKey(4096), dun: 10n });
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 8+8", "READ 16+8", "READ 24+8"]);
    expect(rig.driver.taken.map((rq) => dunToBigInt(rq.cryptCtx!.dun))).toEqual([10n, 11n, 12n, 13n]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("fails a bio of which not even one data unit fits", () => {
    const rig = cryptoRig({ limits: { maxSectors: 4 } });
    expect(submit(rig, 0, 8, { key: fakeKey(4096) })).toEqual([BlkStatus.INVAL]);
    expectNoLeaks(rig);
  });

  it("[CORE-12] refuses segments that are not whole data units", () => {
    const rig = cryptoRig();
    expect(submit(rig, 0, 16, { key: fakeKey(4096), vecs: [4096 + 512, 4096 - 512] })).toEqual([BlkStatus.INVAL]);
    const { bio, ends } = makeBio(rig, 0, 0, { key: fakeKey(4096) });
    bio.addBuffer(new Uint8Array(16384), 512, 4096);
    bio.addBuffer(new Uint8Array(16384), 4096, 4096);
    rig.layer.submitBio(bio);
    expect(ends).toEqual([BlkStatus.INVAL]);
    expectNoLeaks(rig);
  });

  it("[CORE-13] also for a single segment that needs no split", () => {
    const rig = cryptoRig();
    expect(submit(rig, 0, 1, { key: fakeKey(4096) })).toEqual([BlkStatus.INVAL]);
    expectNoLeaks(rig);
  });

  it("[CORE-15] fails a no-wait bio instead", () => {
    const rig = makeRig({ limits: { maxSectors: 8 } });
    expect(submit(rig, 0, 9, { op: ReqOp.READ | ReqFlag.NOWAIT })).toEqual([BlkStatus.AGAIN]);
    expectNoLeaks(rig);
  });

  it("cuts discards at their own limit, in granules", () => {
    const rig = makeRig({
      limits: { maxDiscardSectors: 20, discardGranularityBytes: 4096, maxWriteZeroesSectors: 64 },
    });
    for (const op of [ReqOp.DISCARD, ReqOp.WRITE_ZEROES]) {
      const { bio } = makeBio(rig, 0, 0, { op });
      bio.bytes = 40 * 512;
      rig.layer.submitBio(bio);
    }
    expect(rig.driver.log).toEqual(["DISCARD 0+16", "DISCARD 16+16", "DISCARD 32+8", "WRITE_ZEROES 0+40"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("gives a device that discards less than a granule at a time what it takes, in logical blocks", () => {
    const rig = makeRig({
      limits: { logicalBlockBytes: 1024, maxDiscardSectors: 7, discardGranularityBytes: 4096 },
    });
    const { bio, ends } = makeBio(rig, 4, 0, { op: ReqOp.DISCARD });
    bio.bytes = 12 * 512;
    rig.layer.submitBio(bio);
    expect(rig.driver.log).toEqual(["DISCARD 4+4", "DISCARD 8+6", "DISCARD 14+2"]);
    rig.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it.each([
    [2 ** 31, ["DISCARD 8+4194296", "DISCARD 4194304+4194304", "DISCARD 8388608+7"]],
    [2 ** 33, ["DISCARD 8+8388607"]],
  ])("cuts the largest discard at whole granules of %d bytes, if a bio holds one", (discardGranularityBytes, log) => {
    const rig = makeRig({ limits: { maxDiscardSectors: 2 ** 32 - 1, discardGranularityBytes } }, {}, 2 ** 40);
    const { bio, ends } = makeBio(rig, 8, 0, { op: ReqOp.DISCARD });
    bio.bytes = 2 ** 32 - 512;
    rig.layer.submitBio(bio);
    expect(rig.driver.log).toEqual(log);
    rig.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("goes on when more bios need splitting than split bios exist", () => {
    const rig = makeRig({ limits: { maxSectors: 1 }, queueDepth: 200 });
    const ends = submit(rig, 0, 150, { op: ReqOp.WRITE });
    expect(rig.driver.taken.length).toBeLessThan(150);
    rig.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expect(rig.driver.log).toHaveLength(150);
    expectNoLeaks(rig);
  });

  it("serves several such bios in order", () => {
    const rig = makeRig({ limits: { maxSectors: 1 }, queueDepth: 200 });
    const first = submit(rig, 0, 150, { op: ReqOp.WRITE });
    const second = submit(rig, 1000, 150, { op: ReqOp.WRITE });
    for (let count = 0; count < 150; count++) rig.driver.completeNext();
    expect([first, second]).toEqual([[BlkStatus.OK], []]);
    rig.driver.completeAll();
    expect(second).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("waits on an idle queue for encryption contexts that other queues' bios hold", () => {
    const rig = cryptoRig({ limits: { maxSectors: 8 } });
    const ends = makeBio(rig, 0, 16, { key: fakeKey() });
    const { cryptCtxs } = rig.layer;
    let held = 0;
    while (cryptCtxs.tryTake()) held++;
    rig.layer.submitBio(ends.bio);
    rig.executor.advance(10);
    expect(rig.driver.log).toEqual([]);
    for (; held > 0; held--) cryptCtxs.giveBack();
    rig.executor.advance(10);
    rig.driver.completeAll();
    expect(ends.ends).toEqual([BlkStatus.OK]);
    expect(rig.executor.isIdle).toBe(true);
    expectNoLeaks(rig);
  });
});

describe("a request of a driver's own", () => {
  it("is freed once", () => {
    const { queue } = makeRig({});
    const rq = queue.tryAllocRequest(ReqOp.READ)!;
    const other = queue.tryAllocRequest(ReqOp.READ)!;
    queue.freeRequest(rq);
    expect(() => queue.freeRequest(rq)).toThrow("a request is freed twice");
    expect(queue.inFlight).toBe(1);
    queue.freeRequest(other);
  });
});

describe("tags", () => {
  it("bound what the driver sees; further bios wait in order", () => {
    const rig = makeRig({ queueDepth: 2 });
    const ends = [0, 8, 16, 24].map((sector) => submit(rig, sector * 100, 8));
    expect(rig.driver.taken.map((rq) => rq.tag)).toEqual([0, 1]);
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 800+8", "READ 1600+8"]);
    rig.driver.completeAll();
    expect(ends.flat()).toEqual([0, 0, 0, 0]);
    expectNoLeaks(rig);
  });

  it("a no-wait bio fails instead of waiting", () => {
    const rig = makeRig({ queueDepth: 1 });
    submit(rig, 0, 8);
    expect(submit(rig, 100, 8, { op: ReqOp.READ | ReqFlag.NOWAIT })).toEqual([BlkStatus.AGAIN]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("a bio that waited only until the plug was sent on leaves no timer", () => {
    const rig = makeRig({ nrRequests: 1, limits: { writeCache: true } });
    rig.driver.synchronous = BlkStatus.OK;
    rig.layer.startPlug();
    submit(rig, 0, 8);
    expect(submit(rig, 0, 0, { op: ReqOp.WRITE | ReqFlag.PREFLUSH })).toEqual([BlkStatus.OK]);
    rig.layer.finishPlug();
    expect(rig.executor.isIdle).toBe(true);
    expectNoLeaks(rig);
  });

  it("a submitter out of tags sends its plug on first", () => {
    const rig = makeRig({ queueDepth: 1 });
    rig.layer.startPlug();
    submit(rig, 0, 8);
    expect(rig.driver.log).toEqual([]);
    submit(rig, 100, 8);
    expect(rig.driver.log).toEqual(["READ 0+8"]);
    rig.layer.finishPlug();
    rig.driver.completeAll();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 100+8"]);
    expectNoLeaks(rig);
  });

  it("does not recurse when a driver completes at once, however long the queue", () => {
    const rig = makeRig({ queueDepth: 1 });
    const ends: BlkStatus[][] = [];
    rig.layer.startPlug();
    submit(rig, 0, 1);
    rig.driver.synchronous = BlkStatus.OK;
    for (let index = 1; index < 1000; index++) ends.push(submit(rig, index * 10, 1));
    rig.layer.finishPlug();
    expect(ends.flat()).toHaveLength(999);
    expectNoLeaks(rig);
  });

  it("a bio that ends as soon as it is taken may be sent again, and those behind it go on", () => {
    const rig = makeRig({ queueDepth: 1 });
    submit(rig, 0, 8);
    const sent = new Set<unknown>();
    let endsLeft = 3;
    const send = (sector: number): void => {
      const { bio } = makeBio(rig, sector, 8);
      sent.add(bio);
      bio.onEndIo = () => {
        bio.put();
        if (--endsLeft > 0) send(sector + 100);
      };
      rig.layer.submitBio(bio);
    };
    send(100);
    const behind = [submit(rig, 1000, 8), submit(rig, 2000, 8)];
    rig.driver.synchronous = BlkStatus.OFFLINE;
    rig.driver.completeNext();
    expect([endsLeft, sent.size, behind]).toEqual([0, 1, [[BlkStatus.OFFLINE], [BlkStatus.OFFLINE]]]);
    expectNoLeaks(rig);
  });

  it("refuses a depth that makes no sense", () => {
    const rig = makeRig();
    expect(() => new BlkMqQueue(rig.layer, { ops: new ManualDriver(), queueDepth: 0 })).toThrow(/1 to 10240/);
  });
});

describe("dispatch", () => {
  it("offers a refused request again after a completion", () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    rig.driver.answers.push(BlkStatus.DEV_RESOURCE);
    const refused = submit(rig, 100, 8);
    expect(rig.driver.log).toEqual(["READ 0+8"]);
    rig.driver.completeNext();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 100+8"]);
    rig.driver.completeNext();
    expect(refused).toEqual([BlkStatus.OK]);
    rig.executor.runUntilIdle();
    expectNoLeaks(rig);
  });

  it("offers it again after a while when nothing is in flight", () => {
    const rig = makeRig();
    rig.driver.answers.push(BlkStatus.RESOURCE);
    submit(rig, 0, 8);
    expect(rig.driver.taken).toHaveLength(0);
    rig.executor.advance(3);
    rig.driver.completeNext();
    expectNoLeaks(rig);
  });

  it("ends a request the driver fails at once", () => {
    const rig = makeRig();
    rig.driver.answers.push(BlkStatus.OFFLINE);
    expect(submit(rig, 0, 8)).toEqual([BlkStatus.OFFLINE]);
    expectNoLeaks(rig);
  });

  it("tells the driver to start what it collected when the last request is refused", () => {
    const rig = makeRig();
    rig.layer.startPlug();
    submit(rig, 0, 8);
    submit(rig, 100, 8);
    rig.driver.answers.push(BlkStatus.OK, BlkStatus.DEV_RESOURCE);
    rig.layer.finishPlug();
    expect([rig.driver.taken.length, rig.driver.commits]).toEqual([1, 1]);
    rig.driver.completeNext();
    rig.driver.completeNext();
    rig.executor.runUntilIdle();
    expectNoLeaks(rig);
  });

  it("a request completes once, and only what a driver owns", () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    const rq = rig.driver.taken[0]!;
    rig.driver.completeNext();
    expect(() => rq.complete(BlkStatus.OK)).toThrow(/no driver owns/);
    expect(() => rig.queue.requeue(rq)).toThrow(/no driver owns/);
    expect(rq.state).toBe(RequestState.FREE);
    expectNoLeaks(rig);
  });
});

describe("encrypted requests", () => {
  it("[CORE-16] [CORE-17] carry a copy of the context and a programmed slot", () => {
    const rig = cryptoRig();
    const key = fakeKey();
    const { bio } = makeBio(rig, 8, 8, { key, dun: 77n });
    const bioCtx = bio.cryptCtx;
    rig.layer.submitBio(bio);
    const rq = rig.driver.taken[0]!;
    expect(rq.cryptCtx).not.toBe(bioCtx);
    expect([rq.cryptCtx!.key, dunToBigInt(rq.cryptCtx!.dun)]).toEqual([key, 77n]);
    expect(rq.cryptKeyslot).toEqual({ slotIndex: 0 });
    expect(rig.profile.programmed).toEqual([key]);
    rig.driver.completeAll();
    expect(rig.profile.held).toBe(0);
    expectNoLeaks(rig);
  });

  it("[CORE-2] have no direction of their own: one key and DUN serve a write and a read", () => {
    const rig = cryptoRig();
    const key = fakeKey();
    for (const op of [ReqOp.WRITE, ReqOp.READ]) submit(rig, 8, 8, { op, key, dun: 3n });
    const [write, read] = rig.driver.taken.map((rq) => ({ ...rq.cryptCtx! }));
    expect(write).toEqual(read);
    expect(Object.keys(write!)).toEqual(["key", "dun"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("[CORE-19] end with the status for which they get no slot; the driver is not called", () => {
    const rig = cryptoRig();
    rig.profile.answer = BlkStatus.TIMEOUT;
    expect(submit(rig, 0, 8, { key: fakeKey() })).toEqual([BlkStatus.TIMEOUT]);
    rig.profile.answer = KEYSLOT_PENDING;
    const later = submit(rig, 0, 8, { key: fakeKey() });
    rig.profile.grantNext(BlkStatus.DEV_RESOURCE);
    expect(later).toEqual([BlkStatus.DEV_RESOURCE]);
    expect(rig.driver.log).toEqual([]);
    expectNoLeaks(rig);
  });

  it("[CORE-21] wait for a slot, flushing the plug first, and go on when granted", () => {
    const rig = cryptoRig();
    rig.layer.startPlug();
    submit(rig, 0, 8, { key: fakeKey() });
    rig.profile.answer = KEYSLOT_PENDING;
    const waiting = submit(rig, 100, 8, { key: fakeKey(), op: ReqOp.READ | ReqFlag.NOWAIT });
    expect(rig.driver.log).toEqual(["READ 0+8"]);
    rig.profile.grantNext();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 100+8"]);
    rig.layer.finishPlug();
    rig.driver.completeAll();
    expect([waiting, rig.profile.held]).toEqual([[BlkStatus.OK], 0]);
    expectNoLeaks(rig);
  });

  it("[CORE-33] give the slot back before the last bio ends, on success and on error", () => {
    for (const status of [BlkStatus.OK, BlkStatus.IOERR]) {
      const rig = cryptoRig();
      const { bio } = makeBio(rig, 0, 8, { key: fakeKey() });
      const heldAtEnd: number[] = [];
      bio.onEndIo = () => {
        heldAtEnd.push(rig.profile.held);
        bio.put();
      };
      rig.layer.submitBio(bio);
      rig.driver.completeNext(status);
      expect(heldAtEnd).toEqual([0]);
      expectNoLeaks(rig);
    }
  });

  it("[CORE-34] [CORE-35] keep the slot over a partial completion and go on at the right DUN", () => {
    const rig = cryptoRig();
    const ends = submit(rig, 0, 8, { key: fakeKey(1024), dun: 2n ** 64n - 1n });
    const rq = rig.driver.taken.shift()!;
    expect(rq.update(BlkStatus.OK, 2048)).toBe(true);
    expect([rig.profile.held, rq.sector, rq.bytes, ends]).toEqual([1, 4, 2048, []]);
    expect(dunToBigInt(rq.cryptCtx!.dun)).toBe(2n ** 64n + 1n);
    rig.queue.requeue(rq);
    rig.executor.runUntilIdle();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 4+4"]);
    rig.driver.completeAll();
    expect([rig.profile.held, ends]).toEqual([0, [BlkStatus.OK]]);
    expectNoLeaks(rig);
  });

  it.each<[string, number, Rig, BioOptions]>([
    ["a data unit", 4096, cryptoRig(), { key: fakeKey(4096) }],
    ["an interval of protection information", 2048, makeRig({ limits: crc1Of2048 }), {}],
    ["a sector", 512, makeRig(), {}],
  ])("a part of %s never completes", (_what, unitBytes, rig, options) => {
    const ends = submit(rig, 0, 16, { op: ReqOp.WRITE, ...options });
    const rq = rig.driver.taken[0]!;
    for (const bytes of [256, unitBytes / 2, unitBytes * 1.5]) {
      expect(() => rq.update(BlkStatus.OK, bytes)).toThrow(
        new BlkBug(`${bytes} bytes of a request of 8192 complete, expected a multiple of ${unitBytes}`),
      );
    }
    rq.update(BlkStatus.OK, unitBytes);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("what is left has the segments that are left", () => {
    const rig = makeRig({ limits: { maxSegmentBytes: 4096 } });
    rig.layer.startPlug();
    const ends = [submit(rig, 0, 24, { vecs: [8192, 4096] }), submit(rig, 24, 17, { vecs: [512, 8192] })];
    rig.layer.finishPlug();
    const rq = rig.driver.taken[0]!;
    const counts = [rq.segmentCount];
    for (const bytes of [512, 4096, 7680, 512]) {
      rq.update(BlkStatus.OK, bytes);
      counts.push(rq.segmentCount);
    }
    expect(counts).toEqual([6, 6, 5, 3, 2]);
    rig.driver.completeNext();
    expect(ends).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expectNoLeaks(rig);
  });

  it("a partial failure is what the bio ends with", () => {
    const rig = makeRig();
    const ends = submit(rig, 0, 8);
    const rq = rig.driver.taken[0]!;
    rq.update(BlkStatus.MEDIUM, 512);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.MEDIUM]);
    expectNoLeaks(rig);
  });

  it("[CORE-36] keep slot, context and DUN over a requeue", () => {
    const rig = cryptoRig();
    submit(rig, 0, 8, { key: fakeKey(), dun: 5n });
    const rq = rig.driver.taken.shift()!;
    const slot = rq.cryptKeyslot;
    rig.queue.requeue(rq);
    rig.executor.runUntilIdle();
    expect([rq.cryptKeyslot, dunToBigInt(rq.cryptCtx!.dun), rig.profile.programmed.length]).toEqual([slot, 5n, 1]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("[CORE-37] freeing one that still owns a slot is a bug; slot and context are released once all the same", () => {
    const rig = cryptoRig();
    const { bio } = makeBio(rig, 0, 8, { key: fakeKey() });
    const rq = rig.queue.tryAllocRequest(ReqOp.READ)!;
    rq.initFromBio(bio);
    rq.getKeyslot();
    expect(() => rig.queue.freeRequest(rq)).toThrow(/holds a keyslot/);
    expect([rig.profile.held, rq.cryptCtx]).toEqual([0, null]);
    bio.put();
    expectNoLeaks(rig);
  });
});
