import {
  BIO_MAX_VECS,
  BioSegments,
  BlkStatus,
  BvecIter,
  dunToBigInt,
  newDun,
  ReqFlag,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expectNoLeaks, fakeKey, makeBio, makeRig, type Rig } from "./support.js";

let rig: Rig;
beforeEach(() => {
  rig = makeRig();
});
afterEach(() => expectNoLeaks(rig));

function segmentsOf(bio: Parameters<BioSegments["start"]>[0]): [number, number][] {
  const segments = new BioSegments();
  const found: [number, number][] = [];
  segments.start(bio);
  while (segments.next()) found.push([segments.offset, segments.bytes]);
  return found;
}

describe("bio memory", () => {
  it("collects vectors and walks what is left of them", () => {
    const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, ReqOp.READ)!;
    const memory = new Uint8Array(8192);
    expect(bio.addBuffer(memory, 0, 1024)).toBe(true);
    expect(bio.addBuffer(memory, 4096, 512)).toBe(true);
    expect(bio.addBuffer(memory, 1024)).toBe(true);
    expect([bio.bytes, bio.sectors, bio.vecCount]).toEqual([8704, 17, 3]);
    bio.advance(512);
    expect(segmentsOf(bio)).toEqual([
      [512, 512],
      [4096, 512],
      [1024, 7168],
    ]);
    bio.advance(1024);
    expect(segmentsOf(bio)).toEqual([[1024, 7168]]);
    bio.advance(7168);
    expect(segmentsOf(bio)).toEqual([]);
    expect(bio.sector).toBe(17);
    bio.put();
  });

  it("is bounded and checked", () => {
    const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, ReqOp.WRITE)!;
    const memory = new Uint8Array(512);
    for (let count = 0; count < BIO_MAX_VECS; count++) expect(bio.addBuffer(memory)).toBe(true);
    expect(bio.addBuffer(memory)).toBe(false);
    expect(bio.bytes).toBe(BIO_MAX_VECS * 512);
    expect(() => bio.addBuffer(memory, 1, 512)).toThrow(/outside its buffer of 512/);
    expect(() => bio.advance(bio.bytes + 512)).toThrow(/is advanced by/);
    bio.put();
  });

  it("does not keep a buffer alive after put, and comes back empty", () => {
    const { bio } = makeBio(rig, 8, 8, { key: fakeKey() });
    bio.put();
    const again = rig.layer.bioSet.tryAlloc(rig.disk.part0, ReqOp.READ)!;
    expect(again).toBe(bio);
    expect([again.bytes, again.vecCount, again.cryptCtx, again.onEndIo, again.privateData]).toEqual([
      0,
      0,
      null,
      null,
      null,
    ]);
    expect(again.vecs[0]!.data).toHaveLength(0);
    again.put();
  });

  it("is put once: the next two submitters would get the same bio", () => {
    const { bio } = makeBio(rig, 8, 8);
    const other = makeBio(rig, 16, 8).bio;
    bio.put();
    expect(() => bio.put()).toThrow("a bio is put twice");
    expect(() => bio.endIo()).toThrow("a bio ended twice");
    expect(rig.layer.bioSet.inUse).toBe(1);
    other.put();
  });

  it("positions are saved apart from the bio", () => {
    const { bio } = makeBio(rig, 8, 8);
    const saved = new BvecIter();
    saved.save(bio);
    bio.advance(1024);
    expect([saved.sector, saved.bytes, bio.sector, bio.bytes]).toEqual([8, 4096, 10, 3072]);
    bio.put();
  });
});

describe("bio contexts", () => {
  it("[CORE-1] a bio starts without one", () => {
    const { bio } = makeBio(rig, 0, 8);
    expect(bio.cryptCtx).toBeNull();
    bio.put();
  });

  it("[CORE-3] putting a bio frees its context", () => {
    const { bio } = makeBio(rig, 0, 8, { key: fakeKey() });
    expect(rig.layer.cryptCtxs.inUse).toBe(1);
    bio.put();
    expect(rig.layer.cryptCtxs.inUse).toBe(0);
  });

  it("[API-2] [API-12] the key is kept by reference, the DUN by copy", () => {
    const key = fakeKey();
    const dun = newDun(41n);
    const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, ReqOp.WRITE)!;
    bio.setCryptCtx(key, dun);
    dun[0] = 99;
    expect(bio.cryptCtx!.key).toBe(key);
    expect(dunToBigInt(bio.cryptCtx!.dun)).toBe(41n);
    bio.setCryptCtx(key, newDun(5n));
    expect(rig.layer.cryptCtxs.inUse).toBe(1);
    bio.put();
  });

  it("[CORE-4] a clone has its own context, and advancing it leaves the original alone", () => {
    const { bio } = makeBio(rig, 8, 8, { key: fakeKey(), dun: 100n });
    const clone = rig.layer.bioSet.tryClone(bio)!;
    expect(clone.cryptCtx).not.toBe(bio.cryptCtx);
    clone.advance(1024);
    expect([dunToBigInt(clone.cryptCtx!.dun), dunToBigInt(bio.cryptCtx!.dun)]).toEqual([102n, 100n]);
    expect([clone.sector, bio.sector, bio.bytes]).toEqual([10, 8, 4096]);
    expect(() => clone.addBuffer(new Uint8Array(512))).toThrow(/added to a clone/);
    clone.put();
    bio.put();
  });

  it("[CORE-5] a clone without a free context fails whole", () => {
    const { bio } = makeBio(rig, 0, 8, { key: fakeKey() });
    const { cryptCtxs } = rig.layer;
    let taken = 0;
    while (cryptCtxs.tryTake()) taken++;
    const inUse = rig.layer.bioSet.inUse;
    expect(rig.layer.bioSet.tryClone(bio)).toBeNull();
    expect(rig.layer.bioSet.trySplit(bio, 512)).toBeNull();
    expect([rig.layer.bioSet.inUse, bio.bytes, bio.sector]).toEqual([inUse, 4096, 0]);
    for (; taken > 0; taken--) cryptCtxs.giveBack();
    bio.put();
  });

  it("[CORE-6] advancing by n bytes adds n / data unit to the DUN", () => {
    const { bio } = makeBio(rig, 0, 32, { key: fakeKey(4096), dun: 2n ** 32n - 1n });
    bio.advance(8192);
    expect(dunToBigInt(bio.cryptCtx!.dun)).toBe(2n ** 32n + 1n);
    bio.put();
  });

  it("[CORE-8] a split leaves the starting DUN in front and moves the rest's", () => {
    const { bio } = makeBio(rig, 64, 32, { key: fakeKey(1024), dun: 7n });
    const front = rig.layer.bioSet.trySplit(bio, 4096)!;
    expect([front.sector, front.bytes, dunToBigInt(front.cryptCtx!.dun)]).toEqual([64, 4096, 7n]);
    expect([bio.sector, bio.bytes, dunToBigInt(bio.cryptCtx!.dun)]).toEqual([72, 12288, 11n]);
    expect(() => rig.layer.bioSet.trySplit(bio, 12288)).toThrow(/is split at/);
    front.put();
    bio.put();
  });
});

describe("the end of a bio", () => {
  it("comes once", () => {
    const { bio, ends } = makeBio(rig, 0, 8);
    bio.onEndIo = () => ends.push(bio.status);
    bio.holdEnd();
    expect(bio.isHeld).toBe(true);
    bio.endIo();
    expect([bio.isHeld, ends]).toEqual([false, []]);
    bio.endIo();
    expect(ends).toEqual([BlkStatus.OK]);
    expect(() => bio.endIo()).toThrow(/ended twice/);
    expect(() => bio.holdEnd()).toThrow(/has ended/);
    bio.put();
  });

  it("can be intercepted by a callback and resumed later, up the chain", () => {
    const { bio: parent, ends } = makeBio(rig, 0, 8);
    const { bio: child } = makeBio(rig, 0, 8);
    child.onEndIo = null;
    parent.chain(child);
    const submittersEnd = child.onEndIo;
    child.onEndIo = () => {
      child.onEndIo = submittersEnd;
    };
    expect(() => child.resumeEndIo()).toThrow(/nobody intercepted/);
    child.endIo();
    parent.endIo();
    expect(ends).toEqual([]);
    child.status = BlkStatus.INVAL;
    child.resumeEndIo();
    expect(ends).toEqual([BlkStatus.INVAL]);
  });

  it("waits for chained bios, and the first error stays", () => {
    const { bio: parent, ends } = makeBio(rig, 0, 8);
    const first = makeBio(rig, 0, 1).bio;
    const second = makeBio(rig, 1, 1).bio;
    for (const child of [first, second]) {
      child.onEndIo = null;
      parent.chain(child);
    }
    first.endIoWith(BlkStatus.MEDIUM);
    parent.endIo();
    expect(ends).toEqual([]);
    second.endIoWith(BlkStatus.TIMEOUT);
    expect(ends).toEqual([BlkStatus.MEDIUM]);
  });

  it("runs a chain of any length without recursion", () => {
    const last = makeBio(rig, 0, 1);
    let tail = last.bio;
    const chained = [];
    for (let count = 0; count < 1000; count++) {
      const child = makeBio(rig, 0, 1).bio;
      child.onEndIo = null;
      tail.chain(child);
      chained.push(tail);
      tail = child;
    }
    for (const bio of chained) bio.endIo();
    expect(last.ends).toEqual([]);
    tail.endIoWith(BlkStatus.IOERR);
    expect(last.ends).toEqual([BlkStatus.IOERR]);
  });

  it("refuses to chain a bio that somebody waits for", () => {
    const parent = makeBio(rig, 0, 8).bio;
    const child = makeBio(rig, 0, 8).bio;
    expect(() => parent.chain(child)).toThrow(/end of its own/);
    parent.put();
    child.put();
  });
});

describe("reusing a bio in place", () => {
  it("keeps memory and submitter for another operation", () => {
    const { bio, ends } = makeBio(rig, 8, 8, { vecs: [1024, 3072] });
    const onEndIo = bio.onEndIo;
    bio.onEndIo = () => ends.push(bio.status);
    rig.layer.submitBio(bio);
    rig.driver.completeNext(BlkStatus.MEDIUM);
    bio.reuse(ReqOp.WRITE);
    expect([bio.bytes, bio.sector, bio.status, segmentsOf(bio)]).toEqual([
      4096,
      0,
      BlkStatus.OK,
      [
        [0, 1024],
        [0, 3072],
      ],
    ]);
    bio.sector = 100;
    bio.onEndIo = onEndIo;
    rig.layer.submitBio(bio);
    expect(rig.driver.log).toEqual(["READ 8+8", "WRITE 100+8"]);
    rig.driver.completeNext();
    expect(ends).toEqual([BlkStatus.MEDIUM, BlkStatus.OK]);
  });

  it("[CORE-9] is a bug while the bio has a context, has not ended, or is a clone", () => {
    const { bio } = makeBio(rig, 0, 8, { key: fakeKey() });
    expect(() => bio.reuse(ReqOp.WRITE)).toThrow(/has not ended/);
    bio.onEndIo = null;
    bio.endIo();
    expect(() => bio.reuse(ReqOp.WRITE)).toThrow(/encryption context is reused/);
    const clone = rig.layer.bioSet.tryClone(bio)!;
    clone.endIo();
    expect(() => clone.reuse(ReqOp.WRITE)).toThrow(/a clone is reused/);
    clone.put();
    bio.put();
  });
});

describe("BioSet", () => {
  it("is bounded; an async caller waits its turn", async () => {
    const small = makeRig({}, { maxBios: 1 });
    const first = small.layer.bioSet.tryAlloc(small.disk.part0, ReqOp.READ)!;
    expect(small.layer.bioSet.tryAlloc(small.disk.part0, ReqOp.READ)).toBeNull();
    const waiting = small.layer.bioSet.alloc(small.disk.part0, ReqOp.WRITE | ReqFlag.FUA);
    first.put();
    const second = await waiting;
    expect(second.opf).toBe(ReqOp.WRITE | ReqFlag.FUA);
    second.put();
    expectNoLeaks(small);
  });
});
