import {
  type Bio,
  BioQueue,
  BlkError,
  BlkStatus,
  type CryptoFallback,
  GenDisk,
  ReqFlag,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, FakeProfile, fakeKey, makeBio, makeRig, submit } from "./support.js";

/** A fallback that notes what it is asked and hands every bio back without context. */
class NotingFallback implements CryptoFallback {
  asked = 0;
  attach(): void {}
  prepBio(bio: Bio): boolean {
    this.asked++;
    bio.freeCryptCtx();
    return true;
  }
  supports(): boolean {
    return true;
  }
  startUsingKey(): void {}
  async evictKey(): Promise<void> {}
}

it.each([0, -1, 1.5, Number.NaN, 2 ** 31])("a block layer never has %d bios", (maxBios) => {
  expect(() => makeRig({}, { maxBios })).toThrow(
    new BlkError("EINVAL", "bioset_init", `maxBios is ${maxBios}, expected 1 to 2147483647`),
  );
});

describe("checks before the queue", () => {
  it("refuses what lies beyond the end, is not aligned, or is not supported", () => {
    const rig = makeRig({ limits: { logicalBlockBytes: 4096 } }, {}, 64);
    expect(submit(rig, 56, 16)).toEqual([BlkStatus.IOERR]);
    expect(submit(rig, -8, 8)).toEqual([BlkStatus.IOERR]);
    expect(submit(rig, 1, 8)).toEqual([BlkStatus.IOERR]);
    expect(submit(rig, 8, 1)).toEqual([BlkStatus.IOERR]);
    expect(submit(rig, 0, 8, { vecs: [4096 - 100] })).toEqual([BlkStatus.IOERR]);
    expect(submit(rig, 0, 8, { op: ReqOp.READ | ReqFlag.FUA })).toEqual([BlkStatus.IOERR]);
    for (const op of [ReqOp.DISCARD, ReqOp.WRITE_ZEROES, ReqOp.FLUSH, 77]) {
      expect(submit(rig, 0, 8, { op }), `op ${op}`).toEqual([BlkStatus.NOTSUPP]);
    }
    expect(rig.driver.log).toEqual([]);
    expectNoLeaks(rig);
  });

  it("the same on sectors that need more than 32 bits, and for fractions of one", () => {
    const rig = makeRig({ limits: { logicalBlockBytes: 4096 } }, {}, 2 ** 40);
    expect(submit(rig, 2 ** 39 + 4, 8)).toEqual([BlkStatus.IOERR]);
    expect(submit(rig, 0.5, 8)).toEqual([BlkStatus.IOERR]);
    const ends = submit(rig, 2 ** 39 + 8, 8);
    rig.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it.each([-4096, 2 ** 32, 2 ** 33 + 4096, 4096.5, Number.NaN])("refuses a bio of %d bytes", (bytes) => {
    const rig = makeRig({ limits: { maxDiscardSectors: 2 ** 32 - 1 } }, {}, 2 ** 40);
    const { bio, ends } = makeBio(rig, 0, 0, { op: ReqOp.DISCARD });
    bio.bytes = bytes;
    rig.layer.submitBio(bio);
    expect(ends).toEqual([BlkStatus.IOERR]);
    expectNoLeaks(rig);
  });

  it("takes the last sector and refuses the one behind it", () => {
    const rig = makeRig({}, {}, 64);
    const last = submit(rig, 63, 1);
    expect(submit(rig, 64, 1)).toEqual([BlkStatus.IOERR]);
    rig.driver.completeAll();
    expect(last).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("refuses writes to a read-only disk, not reads", () => {
    const rig = makeRig();
    const disk = new GenDisk({ name: "ro", queue: rig.queue, sectorCount: 64, readOnly: true });
    const { bio, ends } = makeBio(rig, 0, 8, { op: ReqOp.WRITE });
    bio.bdev = disk.part0;
    rig.layer.submitBio(bio);
    expect(ends).toEqual([BlkStatus.IOERR]);
    const read = makeBio(rig, 0, 8);
    read.bio.bdev = disk.part0;
    rig.layer.submitBio(read.bio);
    rig.driver.completeAll();
    expect(read.ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("[CORE-11] a partition moves the sector, never the DUN, and bounds the I/O", () => {
    const rig = makeRig();
    rig.queue.registerCryptoProfile(new FakeProfile());
    const partition = rig.disk.partition("test0p1", 100, 8);
    const inside = makeBio(rig, 4, 4, { key: fakeKey(), dun: 4n });
    inside.bio.bdev = partition;
    rig.layer.submitBio(inside.bio);
    expect(rig.driver.log).toEqual(["READ 104+4"]);
    expect(rig.driver.taken[0]!.cryptCtx!.dun[0]).toBe(4);
    rig.driver.completeAll();
    const outside = makeBio(rig, 4, 8);
    outside.bio.bdev = partition;
    rig.layer.submitBio(outside.bio);
    expect(outside.ends).toEqual([BlkStatus.IOERR]);
    expect(() => rig.disk.partition("bad", rig.disk.part0.sectorCount, 1)).toThrow(/outside test0/);
    expectNoLeaks(rig);
  });

  it.each([1, 63, 0.5, Number.NaN])("a partition starts at a logical block, not at sector %d", (startSector) => {
    const rig = makeRig({ limits: { logicalBlockBytes: 4096 } });
    expect(() => rig.disk.partition("test0p1", startSector, 8)).toThrow(
      new RegExp(`test0p1: first sector ${startSector}, expected a multiple of 8 .the logical block. .EINVAL`),
    );
  });

  it.each([1, 8.5, Number.NaN])("a partition holds whole logical blocks, not %d sectors", (sectorCount) => {
    const rig = makeRig({ limits: { logicalBlockBytes: 4096 } });
    expect(() => rig.disk.partition("test0p1", 64, sectorCount)).toThrow(
      new RegExp(`test0p1: sector count ${sectorCount}, expected a multiple of 8 .the logical block. .EINVAL`),
    );
  });

  it("a disk's capacity bounds the I/O that comes after it is set", () => {
    const rig = makeRig();
    const sectorCount = rig.disk.part0.sectorCount;
    rig.disk.setCapacity(sectorCount + 8);
    expect(rig.disk.part0.bytes).toBe((sectorCount + 8) * 512);
    const behindTheOldEnd = makeBio(rig, sectorCount, 8);
    rig.layer.submitBio(behindTheOldEnd.bio);
    rig.driver.completeAll();
    expect(behindTheOldEnd.ends).toEqual([BlkStatus.OK]);
    rig.disk.setCapacity(sectorCount);
    expect(submit(rig, sectorCount, 8)).toEqual([BlkStatus.IOERR]);
    expect(() => rig.disk.setCapacity(0.5)).toThrow(/sector count 0.5/);
    expect(rig.disk.part0.sectorCount).toBe(sectorCount);
    expectNoLeaks(rig);
  });

  it("a bio sent to another device has its place checked and translated there", () => {
    const rig = makeRig();
    const partition = rig.disk.partition("test0p1", 100, 8);
    const moved = makeBio(rig, 4, 4);
    moved.bio.remapped = true;
    moved.bio.setDev(partition);
    rig.layer.submitBio(moved.bio);
    expect(rig.driver.log).toEqual(["READ 104+4"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("ends an empty bio without the driver", () => {
    const rig = makeRig();
    expect(submit(rig, 0, 0)).toEqual([BlkStatus.OK]);
    expect(rig.driver.log).toEqual([]);
    expectNoLeaks(rig);
  });
});

describe("contexts at submission", () => {
  it("[CORE-10] plain submission to a device without support fails; the fallback is not asked", () => {
    const fallback = new NotingFallback();
    const rig = makeRig({}, { cryptoFallback: fallback });
    const { bio, ends } = makeBio(rig, 0, 8, { key: fakeKey() });
    rig.layer.submitBioNoacct(bio);
    expect([ends, fallback.asked]).toEqual([[BlkStatus.NOTSUPP], 0]);
    expectNoLeaks(rig);
  });

  it("[CORE-10] [PROF-7] nor does a bio-based driver ever see such a bio", () => {
    const rig = makeRig();
    let seen = 0;
    const queue = new BioQueue(rig.layer, { submitBio: () => seen++ }, {});
    const { bio, ends } = makeBio(rig, 0, 8, { key: fakeKey() });
    bio.bdev = new GenDisk({ name: "bio0", queue, sectorCount: 64 }).part0;
    rig.layer.submitBioNoacct(bio);
    expect([ends, seen]).toEqual([[BlkStatus.NOTSUPP], 0]);
    expectNoLeaks(rig);
  });

  it("[API-16] submitBio asks the fallback only without native support", () => {
    const fallback = new NotingFallback();
    const rig = makeRig({}, { cryptoFallback: fallback });
    const profile = new FakeProfile();
    rig.queue.registerCryptoProfile(profile);
    submit(rig, 0, 8, { key: fakeKey() });
    expect([fallback.asked, rig.driver.taken[0]!.cryptCtx === null]).toEqual([0, false]);
    profile.capable = false;
    submit(rig, 64, 8, { key: fakeKey() });
    expect([fallback.asked, rig.driver.taken[1]!.cryptCtx]).toEqual([1, null]);
    submit(rig, 128, 8);
    expect(fallback.asked).toBe(1);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("[FB-2] without a fallback a context nobody supports fails", () => {
    const rig = makeRig();
    expect(submit(rig, 0, 8, { key: fakeKey() })).toEqual([BlkStatus.NOTSUPP]);
    expect(rig.layer.cryptoFallback.supports(fakeKey())).toBe(false);
    expect(() => rig.layer.cryptoFallback.startUsingKey(fakeKey())).toThrow(/ENOPKG/);
    expectNoLeaks(rig);
  });

  it("[API-17] a context without data is refused by both entries", () => {
    const rig = makeRig({ limits: { maxDiscardSectors: 64 } }, { cryptoFallback: new NotingFallback() });
    rig.queue.registerCryptoProfile(new FakeProfile());
    for (const entry of ["submitBio", "submitBioNoacct"] as const) {
      const { bio, ends } = makeBio(rig, 0, 0, { op: ReqOp.DISCARD, key: fakeKey() });
      bio.bytes = 4096;
      rig.layer[entry](bio);
      expect(ends).toEqual([BlkStatus.IOERR]);
    }
    expectNoLeaks(rig);
  });
});

describe("nested submissions", () => {
  it("run one after the other, not inside each other", () => {
    const rig = makeRig();
    const order: string[] = [];
    let depth = 0;
    const queue = new BioQueue(
      rig.layer,
      {
        submitBio(bio) {
          depth++;
          order.push(`enter ${bio.sector} at depth ${depth}`);
          if (bio.sector < 3) {
            const below = makeBio(rig, bio.sector + 1, 1);
            below.bio.bdev = stacked.part0;
            rig.layer.submitBioNoacct(below.bio);
          }
          bio.endIo();
          depth--;
        },
      },
      {},
    );
    const stacked = new GenDisk({ name: "stacked", queue, sectorCount: 64 });
    const top = makeBio(rig, 0, 1);
    top.bio.bdev = stacked.part0;
    expect(rig.layer.inSubmission).toBe(false);
    rig.layer.submitBio(top.bio);
    expect(order).toEqual([0, 1, 2, 3].map((sector) => `enter ${sector} at depth 1`));
    expect(top.ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });
});

describe("closing a disk", () => {
  it("refuses new bios, waits for accepted ones, and can be asked twice", async () => {
    const rig = makeRig();
    const ends = submit(rig, 0, 8);
    let closed = false;
    const closing = rig.disk.close().then(() => {
      closed = true;
    });
    expect(submit(rig, 8, 8)).toEqual([BlkStatus.IOERR]);
    await Promise.resolve();
    expect(closed).toBe(false);
    rig.driver.completeAll();
    await closing;
    expect(ends).toEqual([BlkStatus.OK]);
    await rig.disk.close();
    expectNoLeaks(rig);
  });

  it("waits for bios that have no tag yet, and for what their splits leave", async () => {
    const rig = makeRig({ queueDepth: 1, limits: { maxSectors: 8 } });
    const first = submit(rig, 0, 8);
    const second = submit(rig, 64, 24);
    const closing = rig.disk.close();
    while (rig.driver.taken.length > 0) rig.driver.completeNext();
    await closing;
    expect([first, second]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expectNoLeaks(rig);
  });
});
