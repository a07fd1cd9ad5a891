import {
  type BlkRequest,
  BlkStatus,
  type CryptoKeyRef,
  type CryptoProfile,
  newDun,
  ReqFlag,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { SeededRandom, SimDisk, SimMedium } from "../src/index.js";
import {
  blocks,
  expectRigAtRest,
  expectSameBytes,
  makeRig,
  newBio,
  type Rig,
  readAll,
  submit,
  submitAndRun,
  values,
} from "./support.js";

/** Submits a read of every block and hands out `block@time status` in order of their ends. */
function traceReads(rig: Rig, count: number): string[] {
  const trace: string[] = [];
  for (let block = 0; block < count; block++) {
    const bio = newBio(rig, ReqOp.READ | ReqFlag.NOMERGE, block * 512, new Uint8Array(512), (status) =>
      trace.push(`${block}@${rig.executor.nowMs()} ${status}`),
    );
    rig.layer.submitBio(bio);
  }
  return trace;
}

describe("latency", () => {
  it("is within its bounds, and later requests overtake earlier ones", () => {
    const rig = makeRig(1, { latency: { minMs: 5, maxMs: 9 } });
    const trace = traceReads(rig, 64);
    rig.executor.advance(4.9);
    expect(trace).toEqual([]);
    rig.executor.advance(4.1);
    expect(trace).toHaveLength(64);
    const order = trace.map((end) => Number(end.split("@")[0]));
    expect(order).not.toEqual(order.toSorted((one, other) => one - other));
    expect(rig.disk.seen.overtaken).toBe(
      order.filter((block, index) => order.slice(0, index).some((b) => b > block)).length,
    );
    expectRigAtRest(rig);
  });

  it("keeps the order when all take the same time", () => {
    const rig = makeRig(1, { latency: { minMs: 3, maxMs: 3 } });
    const trace = traceReads(rig, 8);
    rig.executor.runUntilIdle();
    expect(trace).toEqual(Array.from({ length: 8 }, (_, block) => `${block}@3 0`));
    expect(rig.disk.seen.overtaken).toBe(0);
  });

  it("replays with the seed, differs without", () => {
    const traceOf = (seed: number): string[] => {
      const rig = makeRig(seed);
      rig.faults.add({ oneIn: 4 });
      const trace = traceReads(rig, 32);
      rig.executor.runUntilIdle();
      return trace;
    };
    expect(traceOf(1)).toEqual(traceOf(1));
    expect(traceOf(1)).not.toEqual(traceOf(2));
  });
});

describe("what the disk has seen", () => {
  it("is counted by operation", () => {
    const rig = makeRig(1, { writeCache: true, fua: true });
    submitAndRun(rig, ReqOp.READ, 0, blocks(0));
    submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
    submitAndRun(rig, ReqOp.WRITE | ReqFlag.FUA, 0, blocks(2));
    submitAndRun(rig, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
    submitAndRun(rig, ReqOp.DISCARD, 0, 512);
    submitAndRun(rig, ReqOp.WRITE_ZEROES, 0, 512);
    expect({ ...rig.disk.seen }).toEqual({
      reads: 1,
      writes: 2,
      fuaWrites: 1,
      flushes: 1,
      discards: 1,
      writeZeroes: 1,
      faults: 0,
      overtaken: 0,
      powerCuts: 0,
      cutRequests: 0,
    });
  });
});

describe("the write cache", () => {
  const onMedium = (rig: Rig): number => {
    const block = new Uint8Array(512);
    rig.disk.readMedium(0, block);
    return block[0]!;
  };

  it("is absent by default: a write that has ended is on the medium", () => {
    const rig = makeRig(1);
    submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
    expect([onMedium(rig), rig.disk.medium.cachedBytes]).toEqual([1, 0]);
    submitAndRun(rig, ReqOp.WRITE_ZEROES, 0, 512);
    expect(onMedium(rig)).toBe(0);
  });

  it("keeps writes, zeroing and discards from the medium until a flush; reads see them", () => {
    const rig = makeRig(1, { writeCache: true });
    submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
    expect([onMedium(rig), readAll(rig)[0], rig.disk.medium.cachedBytes]).toEqual([0, 1, 512]);
    submitAndRun(rig, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
    expect([onMedium(rig), rig.disk.medium.cachedBytes]).toEqual([1, 0]);
    for (const op of [ReqOp.DISCARD, ReqOp.WRITE_ZEROES]) {
      submitAndRun(rig, op, 0, 512);
      expect([onMedium(rig), readAll(rig)[0]]).toEqual([1, 0]);
      submitAndRun(rig, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
      expect(onMedium(rig)).toBe(0);
      submitAndRun(rig, ReqOp.WRITE | ReqFlag.FUA, 0, blocks(1));
    }
  });

  it("is passed by FUA, for that write alone", () => {
    const rig = makeRig(1, { writeCache: true, fua: true });
    submitAndRun(rig, ReqOp.WRITE, 512, blocks(9));
    submitAndRun(rig, ReqOp.WRITE | ReqFlag.FUA, 0, blocks(1));
    expect([onMedium(rig), rig.disk.medium.cachedBytes]).toEqual([1, 512]);
    expect(rig.disk.seen.flushes).toBe(0);
  });

  it("an older write in it never undoes a FUA write to the same block", () => {
    const rig = makeRig(1, { writeCache: true, fua: true });
    submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
    submitAndRun(rig, ReqOp.WRITE | ReqFlag.FUA, 0, blocks(2));
    submitAndRun(rig, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
    expect([onMedium(rig), readAll(rig)[0]]).toEqual([2, 2]);
  });

  it("a flush covers what had ended when the disk got it, not what ended during it", () => {
    const rig = makeRig(1, { writeCache: true, latency: { minMs: 10, maxMs: 10 } });
    submitAndRun(rig, ReqOp.WRITE, 0, blocks(1));
    submit(rig, ReqOp.WRITE, 0, blocks(2));
    rig.executor.advance(5);
    const flushed = submit(rig, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, 0);
    rig.executor.runUntilIdle();
    expect(flushed).toEqual([BlkStatus.OK]);
    expect([onMedium(rig), readAll(rig)[0]]).toEqual([1, 2]);
  });

  it("is limited: the oldest writes go to the medium by themselves", () => {
    const medium = new SimMedium({ bytes: 4096, cacheBytes: 1024 });
    for (let block = 0; block < 4; block++) medium.write(block * 512, blocks(block + 1), false);
    const found = new Uint8Array(4096);
    medium.readDurable(0, found);
    expect(values(found, 4)).toEqual([1, 2, 0, 0]);
    expect(medium.cachedBytes).toBe(1024);
    medium.write(0, blocks(7, 8), false);
    medium.readDurable(0, found);
    expect(values(found, 8)).toEqual(values(blocks(7, 8), 8));
    expect(medium.cachedBytes).toBe(0);
  });
});

describe("inline encryption", () => {
  const key: CryptoKeyRef = { modeNum: 1, keyType: "raw", dataUnitBytes: 512, dataUnitBits: 9, dunBytes: 8 };
  const profile: CryptoProfile = {
    supports: () => true,
    getKeyslot: () => BlkStatus.OK,
    putKeyslot: () => {},
    evictKey: async () => {},
  };
  /** A cipher to look at: each byte is changed by the DUN of its data unit. */
  const crypt = (rq: BlkRequest, from: Uint8Array, to: Uint8Array): BlkStatus => {
    for (let at = 0; at < from.length; at++) to[at] = from[at]! ^ (rq.cryptCtx!.dun[0]! + Math.floor(at / 512));
    return BlkStatus.OK;
  };
  const submitEncrypted = (rig: Rig, op: number, block: number, data: Uint8Array): BlkStatus[] => {
    const ends: BlkStatus[] = [];
    const bio = newBio(rig, op, block * 512, data, (status) => ends.push(status));
    bio.setCryptCtx(key, newDun(BigInt(0x40 + block)));
    rig.layer.submitBio(bio);
    return ends;
  };

  it("is the crypt option's: the medium holds what it makes, reads get back what was written", () => {
    const rig = makeRig(1, { crypt });
    rig.disk.queue.registerCryptoProfile(profile);
    const data = blocks(0x01, 2);
    expect(submitEncrypted(rig, ReqOp.WRITE, 3, data)).toEqual([]);
    rig.executor.runUntilIdle();
    const found = new Uint8Array(1024);
    rig.disk.readMedium(3 * 512, found);
    expect(values(found, 2)).toEqual([0x01 ^ 0x43, 0x01 ^ 0x44]);
    expect(values(data, 2)).toEqual([1, 1]);
    const back = new Uint8Array(1024);
    submitEncrypted(rig, ReqOp.READ, 3, back);
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
    expect(values(readAll(rig).subarray(3 * 512), 2)).toEqual([0x01 ^ 0x43, 0x01 ^ 0x44]);
    expectRigAtRest(rig);
  });

  it("that fails ends the request with its status, and nothing is read or written", () => {
    const rig = makeRig(1, { crypt: () => BlkStatus.TARGET });
    rig.disk.queue.registerCryptoProfile(profile);
    const back = blocks(7);
    const ends = [submitEncrypted(rig, ReqOp.WRITE, 0, blocks(1)), submitEncrypted(rig, ReqOp.READ, 8, back)];
    rig.executor.runUntilIdle();
    expect(ends).toEqual([[BlkStatus.TARGET], [BlkStatus.TARGET]]);
    expect(back).toEqual(blocks(7));
    submitEncrypted(rig, ReqOp.WRITE, 0, blocks(1));
    rig.disk.powerCut();
    rig.disk.powerOn();
    expectSameBytes(readAll(rig), new Uint8Array(rig.disk.bdev.bytes));
  });

  it("without the option is a bug of whoever registered the profile", () => {
    const rig = makeRig(1);
    rig.disk.queue.registerCryptoProfile(profile);
    submitEncrypted(rig, ReqOp.WRITE, 0, blocks(1));
    expect(() => rig.executor.runUntilIdle()).toThrow(/crypto profile and no crypt option/);
  });
});

describe("a medium", () => {
  it("outlives its disk, cache included", async () => {
    const first = makeRig(1, { writeCache: true });
    submitAndRun(first, ReqOp.WRITE, 512, blocks(5));
    await first.disk.close();
    const { executor, layer, faults } = makeRig(2);
    const disk = new SimDisk(layer, { medium: first.disk.medium, random: new SeededRandom(2), writeCache: true });
    expect(values(readAll({ executor, layer, faults, disk }), 2)).toEqual([0, 5]);
    disk.powerCut();
    expect(disk.medium.cachedBytes).toBe(0);
  });

  it("is read at any byte, and only inside", () => {
    const rig = makeRig(1);
    submitAndRun(
      rig,
      ReqOp.WRITE,
      0,
      Uint8Array.from({ length: 512 }, (_, index) => index & 0xff),
    );
    const into = new Uint8Array(3);
    rig.disk.readMedium(9, into);
    expect([...into]).toEqual([9, 10, 11]);
    for (const byteOffset of [-1, rig.disk.bdev.bytes - 2]) {
      expect(() => rig.disk.readMedium(byteOffset, into)).toThrow(/lie outside the medium of 65536/);
    }
  });
});

describe("refused options", () => {
  const { layer } = makeRig(1);
  const random = new SeededRandom(1);

  it.each([
    [{ bytes: 1000 }, /1000 bytes, expected a multiple of 512/],
    [{ bytes: -512 }, /-512 bytes/],
    [{ bytes: 2 ** 33 }, /up to 4294967296/],
    [{ bytes: 512, limits: { physicalBlockBytes: 4096 } }, /512 bytes, expected a multiple of 4096/],
    [{ bytes: 512, latency: { minMs: 2, maxMs: 1 } }, /sim0: a latency of 2 to 1 ms/],
    [{ bytes: 512, latency: { minMs: -1, maxMs: 1 } }, /a latency of -1 to 1 ms/],
    [{ bytes: 512, latency: { minMs: 0, maxMs: Number.POSITIVE_INFINITY } }, /a latency of 0 to Infinity ms/],
    [{ bytes: 512, queueDepth: 0 }, /queueDepth is 0/],
  ])("%o", (options, message) => {
    expect(() => new SimDisk(layer, { random, ...options })).toThrow(message);
    expect(() => new SimDisk(layer, { random, ...options })).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });

  it("a medium whose blocks are others than the disk's", () => {
    const medium = new SimMedium({ bytes: 8192, blockBytes: 4096 });
    expect(new SimDisk(layer, { random, medium }).queue.limits.physicalBlockBytes).toBe(4096);
    expect(() => new SimDisk(layer, { random, medium, limits: { physicalBlockBytes: 512 } })).toThrow(
      /physicalBlockBytes is 512, the medium's 4096/,
    );
    expect(() => new SimMedium({ bytes: 8192, blockBytes: 1000 })).toThrow(/blockBytes is 1000/);
    expect(() => new SimMedium({ bytes: 8192, cacheBytes: -1 })).toThrow(/cacheBytes is -1/);
  });
});
