import {
  type Bio,
  type BioSet,
  BlkBug,
  BlkMqQueue,
  type BlkMqQueueOptions,
  type BlkRequest,
  BlkStatus,
  DrvOp,
  dunToBigInt,
  executeRqNowait,
  GenDisk,
  insertClonedRequest,
  KEYSLOT_PENDING,
  prepClone,
  ReqOp,
  rqAppendBio,
  unprepClone,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, FakeProfile, fakeKey, ManualDriver, makeBio, makeRig, type Rig, submit } from "./support.js";

/** Two queues of one layer: what the upper driver gets, the test clones for the lower. */
class Stack {
  readonly upper: Rig = makeRig();
  readonly lowerDriver = new ManualDriver();
  readonly upperProfile = new FakeProfile();
  readonly lowerProfile = new FakeProfile();
  readonly lower: BlkMqQueue;
  readonly lowerDisk: GenDisk;
  readonly bioSet: BioSet;
  readonly inserted: BlkStatus[] = [];

  constructor(options: Partial<BlkMqQueueOptions> = {}, cloneBios = 16) {
    this.lower = new BlkMqQueue(this.upper.layer, { ops: this.lowerDriver, ...options });
    this.lowerDisk = new GenDisk({ name: "lower0", queue: this.lower, sectorCount: 1 << 20 });
    this.upper.queue.registerCryptoProfile(this.upperProfile);
    this.lower.registerCryptoProfile(this.lowerProfile);
    this.bioSet = this.upper.layer.newBioSet("clone", cloneBios);
  }

  /** The request of the given bios, as the upper driver has it. */
  source(...bios: Parameters<typeof makeBio> extends [unknown, ...infer Rest] ? Rest[] : never): BlkRequest {
    this.upper.layer.startPlug();
    for (const [sector, sectors, options] of bios) submit(this.upper, sector, sectors, options);
    this.upper.layer.finishPlug();
    return this.upper.driver.taken.at(-1)!;
  }

  /** A clone, ready to be inserted; at its end the source ends too. */
  clone(source: BlkRequest): BlkRequest {
    const clone = this.lower.tryAllocRequest(source.opf)!;
    expect(prepClone(clone, source, this.bioSet, this.setup, this.lowerDisk)).toBe(BlkStatus.OK);
    clone.onEnd = (ended, status) => {
      this.lower.freeRequest(ended);
      this.upper.driver.taken.splice(this.upper.driver.taken.indexOf(source), 1);
      source.complete(status);
    };
    return clone;
  }

  insert(clone: BlkRequest): number {
    return insertClonedRequest(clone, (_clone, status) => this.inserted.push(status));
  }

  /** Gives up a clone that was not issued; the source ends. */
  drop(clone: BlkRequest): void {
    unprepClone(clone);
    this.lower.freeRequest(clone);
    this.upper.driver.completeAll();
  }

  readonly setup = (bio: Bio, _source: Bio, disk: GenDisk): boolean => {
    bio.bdev = disk.part0;
    bio.onEndIo = (ended) => ended.put();
    return true;
  };

  expectNoLeaks(): void {
    expectNoLeaks(this.upper);
    expect([this.lower.inFlight, this.lower.tagSet.inUse, this.bioSet.inUse]).toEqual([0, 0, 0]);
    expect([this.upperProfile.held, this.lowerProfile.held]).toEqual([0, 0]);
  }
}

const crypt = (dun: number, key = fakeKey()): { key: typeof key; dun: bigint } => ({ key, dun: BigInt(dun) });

describe("preparing a clone", () => {
  it("[CORE-38] clones each bio with its context; the clone's own comes from the first", () => {
    const stack = new Stack();
    const key = fakeKey();
    const source = stack.source([0, 8, crypt(100, key)], [8, 8, crypt(108, key)]);
    const clone = stack.clone(source);
    expect([clone.sector, clone.bytes, clone.segmentCount]).toEqual([0, 8192, 2]);
    const [first, second] = [clone.bio!, clone.bio!.next!];
    expect([first.cryptCtx!.key, dunToBigInt(first.cryptCtx!.dun)]).toEqual([key, 100n]);
    expect(first.cryptCtx).not.toBe(source.bio!.cryptCtx);
    // The second bio lost its context when it was merged.
    expect([second.cryptCtx, second.sector, clone.bioTail]).toEqual([null, 8, second]);
    expect([clone.cryptCtx!.key, dunToBigInt(clone.cryptCtx!.dun)]).toEqual([key, 100n]);
    expect(clone.cryptCtx).not.toBe(source.cryptCtx);
    stack.drop(clone);
    stack.expectNoLeaks();
  });

  it("[CORE-38] frees all clones when one of them cannot be made", () => {
    const stack = new Stack({}, 2);
    const source = stack.source([0, 8, crypt(0)], [8, 8], [16, 8, crypt(16)]);
    const many = stack.source([100, 8], [108, 8], [116, 8]);
    const clone = stack.lower.tryAllocRequest(many.opf)!;
    const contexts = stack.upper.layer.cryptCtxs.inUse;
    expect(prepClone(clone, many, stack.bioSet, stack.setup, stack.lowerDisk)).toBe(BlkStatus.RESOURCE);
    expect([stack.bioSet.inUse, clone.bio, clone.bytes]).toEqual([0, null, 0]);
    expect(prepClone(clone, source, stack.bioSet, () => false, null)).toBe(BlkStatus.RESOURCE);
    expect([stack.bioSet.inUse, stack.upper.layer.cryptCtxs.inUse]).toEqual([0, contexts]);
    stack.drop(clone);
    stack.expectNoLeaks();
  });

  it("copies what is left of a request, with the DUN of what is left, though its first bio has ended", () => {
    const stack = new Stack();
    const key = fakeKey();
    const source = stack.source([0, 8, crypt(100, key)], [8, 8, crypt(108, key)]);
    source.update(BlkStatus.OK, 10 * 512);
    const clone = stack.clone(source);
    expect([clone.sector, clone.sectors, clone.bio!.sector]).toEqual([10, 6, 10]);
    expect([clone.cryptCtx!.key, dunToBigInt(clone.cryptCtx!.dun)]).toEqual([key, 110n]);
    stack.drop(clone);
    stack.expectNoLeaks();
  });

  it("is possible only on a queue that takes requests", async () => {
    const stack = new Stack({ nrRequests: 1 });
    const clone = stack.lower.tryAllocRequest(ReqOp.READ)!;
    expect(stack.lower.tryAllocRequest(ReqOp.READ)).toBeNull();
    stack.lower.freeRequest(clone);
    await stack.lower.freeze();
    expect(stack.lower.tryAllocRequest(ReqOp.READ)).toBeNull();
    stack.lower.unfreeze();
    await stack.lower.drain();
    expect(stack.lower.tryAllocRequest(ReqOp.READ)).toBeNull();
  });
});

describe("inserting a clone", () => {
  it("[CORE-39] takes a keyslot of its own queue, independent of the source's", () => {
    const stack = new Stack();
    stack.lowerProfile.programmed.push(fakeKey(), fakeKey());
    const key = fakeKey();
    const source = stack.source([0, 8, crypt(5, key)]);
    const clone = stack.clone(source);
    expect(stack.insert(clone)).toBe(BlkStatus.OK);
    expect([source.cryptKeyslot, clone.cryptKeyslot]).toEqual([{ slotIndex: 0 }, { slotIndex: 2 }]);
    expect(stack.lowerProfile.programmed[2]).toBe(key);
    expect(stack.lowerDriver.log).toEqual(["READ 0+8"]);
    expect(stack.lowerDisk.part0.stats.inFlightReads).toBe(1);
    stack.lowerDriver.completeNext();
    expect(stack.inserted).toEqual([]);
    stack.expectNoLeaks();
  });

  it("passes errors of the lower device up, and needs no context", () => {
    const stack = new Stack();
    const ends = submit(stack.upper, 0, 8, { op: ReqOp.WRITE });
    expect(stack.insert(stack.clone(stack.upper.driver.taken[0]!))).toBe(BlkStatus.OK);
    stack.lowerDriver.completeNext(BlkStatus.MEDIUM);
    expect(ends).toEqual([BlkStatus.MEDIUM]);
    stack.expectNoLeaks();
  });

  it("[CORE-40] returns the exact status for which there is no keyslot; the clone is neither issued nor in flight", () => {
    const stack = new Stack();
    const clone = stack.clone(stack.source([0, 8, crypt(0)]));
    stack.lowerProfile.answer = BlkStatus.TIMEOUT;
    expect(stack.insert(clone)).toBe(BlkStatus.TIMEOUT);
    expect([stack.lowerDriver.log, stack.lower.tagSet.inUse, stack.lowerProfile.held]).toEqual([[], 0, 0]);
    expect(stack.lowerDisk.part0.stats.inFlightReads).toBe(0);
    // It may be tried again.
    stack.lowerProfile.answer = BlkStatus.OK;
    expect(stack.insert(clone)).toBe(BlkStatus.OK);
    stack.lowerDriver.completeNext();
    stack.expectNoLeaks();
  });

  it("[CORE-39] [CORE-40] answers later when the keyslot comes later", () => {
    const stack = new Stack();
    stack.lowerProfile.answer = KEYSLOT_PENDING;
    const granted = stack.clone(stack.source([0, 8, crypt(0)]));
    const refused = stack.clone(stack.source([100, 8, crypt(0)]));
    expect([stack.insert(granted), stack.insert(refused)]).toEqual([KEYSLOT_PENDING, KEYSLOT_PENDING]);
    expect([stack.inserted, stack.lowerDriver.log]).toEqual([[], []]);
    stack.lowerProfile.grantNext();
    expect([stack.inserted, stack.lowerDriver.log]).toEqual([[BlkStatus.OK], ["READ 0+8"]]);
    stack.lowerProfile.grantNext(BlkStatus.DEV_RESOURCE);
    expect(stack.inserted).toEqual([BlkStatus.OK, BlkStatus.DEV_RESOURCE]);
    expect(stack.lowerDriver.log).toHaveLength(1);
    stack.lowerDriver.completeAll();
    stack.drop(refused);
    stack.expectNoLeaks();
  });

  it("[CORE-40] gives the keyslot back when the driver refuses or no tag is free", () => {
    const stack = new Stack({ queueDepth: 1, nrRequests: 2 });
    const first = stack.clone(stack.source([0, 8, crypt(0)]));
    stack.lowerDriver.answers.push(BlkStatus.DEV_RESOURCE);
    expect([stack.insert(first), stack.lowerProfile.held]).toEqual([BlkStatus.DEV_RESOURCE, 0]);
    expect(stack.insert(first)).toBe(BlkStatus.OK);
    const second = stack.clone(stack.source([100, 8, crypt(0)]));
    expect([stack.insert(second), stack.lowerProfile.held]).toEqual([BlkStatus.RESOURCE, 1]);
    stack.lowerDriver.completeNext();
    expect(stack.insert(second)).toBe(BlkStatus.OK);
    stack.lowerDriver.completeNext();
    stack.expectNoLeaks();
  });

  it("checks the lower device's limits", () => {
    const stack = new Stack({ limits: { maxSectors: 8, maxSegments: 1 } });
    const large = stack.clone(stack.source([0, 16]));
    const scattered = stack.clone(stack.source([100, 8, { vecs: [2048, 2048] }]));
    const discard = stack.lower.tryAllocRequest(ReqOp.DISCARD)!;
    discard.bytes = 512;
    const zeroes = stack.lower.tryAllocRequest(ReqOp.WRITE_ZEROES)!;
    zeroes.bytes = 512;
    expect([large, scattered, discard, zeroes].map((clone) => stack.insert(clone))).toEqual([
      BlkStatus.IOERR,
      BlkStatus.IOERR,
      BlkStatus.NOTSUPP,
      BlkStatus.NOTSUPP,
    ]);
    for (const clone of [large, scattered, discard, zeroes]) stack.drop(clone);
    stack.expectNoLeaks();
  });

  it("counts its segments as the lower device has them", () => {
    const stack = new Stack({ limits: { maxSegmentBytes: 4096, maxSegments: 2 } });
    const [fits, large] = [stack.clone(stack.source([0, 16])), stack.clone(stack.source([100, 24]))];
    expect([fits, large].map((clone) => [stack.insert(clone), clone.segmentCount])).toEqual([
      [BlkStatus.OK, 2],
      [BlkStatus.IOERR, 3],
    ]);
    stack.lowerDriver.completeAll();
    stack.drop(large);
    stack.expectNoLeaks();
  });

  it("on a quiesced queue waits there", () => {
    const stack = new Stack();
    const clone = stack.clone(stack.source([0, 8, crypt(0)]));
    stack.lower.quiesce();
    expect([stack.insert(clone), stack.lowerDriver.log]).toEqual([BlkStatus.OK, []]);
    stack.lower.unquiesce();
    expect(() => unprepClone(clone)).toThrow(/a driver owns/);
    stack.lowerDriver.completeNext();
    stack.expectNoLeaks();
  });
});

describe("a driver's own command", () => {
  it("[CORE-31] drops the context of a bio that is added", () => {
    const rig = makeRig();
    rig.queue.registerCryptoProfile(new FakeProfile());
    const rq = rig.queue.tryAllocRequest(DrvOp.IN)!;
    const bios = [0, 8].map((sector) => makeBio(rig, sector, 8, { key: fakeKey() }));
    for (const { bio } of bios) expect(rqAppendBio(rq, bio)).toBe(true);
    expect([rq.cryptCtx, rig.layer.cryptCtxs.inUse, rq.bytes]).toEqual([null, 0, 8192]);
    const ended: BlkStatus[] = [];
    rq.onEnd = (_rq, status) => {
      ended.push(status);
      rig.queue.freeRequest(rq);
    };
    executeRqNowait(rq);
    expect([rq.cryptKeyslot, rig.driver.log]).toEqual([null, ["IN 0+16"]]);
    rig.driver.completeNext(BlkStatus.TARGET);
    expect([ended, ...bios.map(({ ends }) => ends)]).toEqual([
      [BlkStatus.TARGET],
      [BlkStatus.TARGET],
      [BlkStatus.TARGET],
    ]);
    expectNoLeaks(rig);
  });

  it("takes memory in the runs that the device takes, cut at its limits", () => {
    const rig = makeRig({ limits: { maxSegments: 3, maxSegmentBytes: 4096, dmaAlignmentBytes: 4 } });
    const rq = rig.queue.tryAllocRequest(DrvOp.OUT)!;
    const append = (vecs: number[]): boolean => {
      const { bio } = makeBio(rig, 0, 0, { vecs });
      const appended = rqAppendBio(rq, bio);
      if (!appended) bio.put();
      return appended;
    };
    expect([append([4 * 4096]), append([6]), append([2 * 4096])]).toEqual([false, false, true]);
    expect([rq.segmentCount, append([2 * 4096]), append([36]), append([])]).toEqual([2, false, true, true]);
    expect([rq.segmentCount, rq.bytes]).toEqual([3, 2 * 4096 + 36]);
    rq.onEnd = () => rig.queue.freeRequest(rq);
    executeRqNowait(rq);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("is for a hardware queue that there is", () => {
    const { queue } = makeRig();
    expect(() => queue.tryAllocRequest(DrvOp.OUT, 1)).toThrow(
      new BlkBug("a request is wanted for hardware queue 1 of 1"),
    );
  });

  it("takes no more than the device does, and no bio goes to block I/O this way", () => {
    const rig = makeRig({ limits: { maxSectors: 8 } });
    const rq = rig.queue.tryAllocRequest(DrvOp.OUT)!;
    const { bio } = makeBio(rig, 0, 9, { key: fakeKey() });
    expect([rqAppendBio(rq, bio), bio.cryptCtx === null]).toEqual([false, false]);
    const read = rig.queue.tryAllocRequest(ReqOp.READ)!;
    expect(() => rqAppendBio(read, bio)).toThrow(/block layer's/);
    for (const request of [rq, read]) rig.queue.freeRequest(request);
    bio.put();
    expectNoLeaks(rig);
  });
});
