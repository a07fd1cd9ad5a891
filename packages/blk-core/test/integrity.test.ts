import {
  type Bio,
  BlkBug,
  BlkMqQueue,
  BlkStatus,
  BlockLayer,
  type BlockLayerOptions,
  bioIntegrityAlloc,
  type CryptoFallback,
  GenDisk,
  newDun,
  type QueueLimitsInput,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { afterEach, describe, expect, it } from "vitest";
import { bioIntegrityPrep } from "../src/bio-integrity.js";
import { bitwiseCrc, IntegrityDisk, rfc1071 } from "./integrity-disk.js";
import { fakeKey } from "./support.js";

const DISK_BYTES = 2 ** 18;

interface Rig {
  executor: SimExecutor;
  layer: BlockLayer;
  queue: BlkMqQueue;
  disk: GenDisk;
  device: IntegrityDisk;
  traced: unknown[];
}

let rig: Rig;

function protectedRig(limits: QueueLimitsInput = {}, layerOptions: Partial<BlockLayerOptions> = {}): Rig {
  const executor = new SimExecutor();
  const traced: unknown[] = [];
  const tracer = { trace: (event: string, detail: object) => traced.push({ event, ...detail }) };
  const layer = new BlockLayer({ executor, tracer, ...layerOptions });
  const stated: QueueLimitsInput = { integrity: { csum: "crc", type: 1 }, ...limits };
  const device = new IntegrityDisk(DISK_BYTES, stated.integrity!.intervalBytes ?? stated.logicalBlockBytes ?? 512);
  const queue = new BlkMqQueue(layer, { ops: device, limits: stated });
  const disk = new GenDisk({ name: "pi0", queue, sectorCount: DISK_BYTES / 512 });
  rig = { executor, layer, queue, disk, device, traced };
  return rig;
}

afterEach(() => {
  rig.executor.runUntilIdle();
  expect(rig.layer.integrityPool.inUse).toBe(0);
  expect(rig.layer.bioSet.inUse).toBe(0);
  expect(rig.queue.inFlight).toBe(0);
});

const newBio = (op: number, sector: number, bdev = rig.disk.part0): Bio => {
  const bio = rig.layer.bioSet.tryAlloc(bdev, op)!;
  bio.sector = sector;
  return bio;
};

/** Submits the bio, runs what it causes, and puts it back. */
function run(bio: Bio): BlkStatus {
  let ended: BlkStatus | null = null;
  bio.onEndIo = () => {
    ended = bio.status;
    bio.put();
  };
  rig.layer.submitBio(bio);
  rig.executor.runUntilIdle();
  return ended!;
}

function transfer(op: number, sector: number, data: Uint8Array, bdev = rig.disk.part0): BlkStatus {
  const bio = newBio(op, sector, bdev);
  bio.addBuffer(data);
  return run(bio);
}

const write = (sector: number, data: Uint8Array): BlkStatus => transfer(ReqOp.WRITE, sector, data);
const read = (sector: number, into: Uint8Array): BlkStatus => transfer(ReqOp.READ, sector, into);

function noise(bytes: number, seed = 1): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 16;
  });
}

describe("generating on write", () => {
  it("type 1, CRC: guard of each block, no application tag, the block's number", () => {
    const { device } = protectedRig();
    const data = noise(1536);
    expect(write(7, data)).toBe(BlkStatus.OK);
    for (const [index, interval] of [7, 8, 9].entries()) {
      const guard = bitwiseCrc(data.subarray(index * 512, (index + 1) * 512));
      expect(device.tupleOf(interval)).toEqual({ guard, app: 0, ref: interval });
    }
  });

  it("type 3 leaves the reference tag 0; IP has the Internet checksum for a guard", () => {
    const { device } = protectedRig({ integrity: { csum: "ip", type: 3 } });
    const data = noise(512);
    write(5, data);
    expect(device.tupleOf(5)).toEqual({ guard: rfc1071(data), app: 0, ref: 0 });
  });

  it("counts intervals, not sectors", () => {
    const { device } = protectedRig({ logicalBlockBytes: 4096 });
    const data = noise(8192);
    write(24, data);
    expect(device.tupleOf(4)).toEqual({ guard: bitwiseCrc(data.subarray(4096)), app: 0, ref: 4 });
  });

  it("protects intervals smaller than the logical block", () => {
    const { device } = protectedRig({
      logicalBlockBytes: 4096,
      integrity: { csum: "crc", type: 1, intervalBytes: 1024 },
    });
    const data = noise(4096);
    write(8, data);
    expect(device.tupleOf(7)).toEqual({ guard: bitwiseCrc(data.subarray(3072)), app: 0, ref: 7 });
  });

  it.each(["crc", "ip"] as const)("intervals may span memory runs of any length: %s", (csum) => {
    const { device } = protectedRig({ integrity: { csum, type: 1 } });
    const data = noise(1024);
    const bio = newBio(ReqOp.WRITE, 0);
    for (const [start, end] of [
      [0, 101],
      [101, 102],
      [102, 613],
      [613, 1024],
    ] as const) {
      bio.addBuffer(data, start, end - start);
    }
    expect(run(bio)).toBe(BlkStatus.OK);
    const guardOf = csum === "crc" ? bitwiseCrc : rfc1071;
    expect(device.tupleOf(0).guard).toBe(guardOf(data.subarray(0, 512)));
    expect(device.tupleOf(1).guard).toBe(guardOf(data.subarray(512)));
  });

  it("reference tags on a partition are those of the disk", () => {
    const { device, disk } = protectedRig();
    const part = disk.partition("pi0p1", 100, 50);
    expect(transfer(ReqOp.WRITE, 3, noise(512), part)).toBe(BlkStatus.OK);
    expect(device.tupleOf(103).ref).toBe(103);
    expect(transfer(ReqOp.READ, 3, new Uint8Array(512), part)).toBe(BlkStatus.OK);
  });

  it("survives splits and merges", () => {
    const { device, layer } = protectedRig({ maxSectors: 4 });
    const data = noise(16 * 512);
    layer.startPlug();
    const bios = [0, 2, 4].map((at) => {
      const bio = newBio(ReqOp.WRITE, at);
      bio.addBuffer(data, at * 512, (at === 4 ? 12 : 2) * 512);
      bio.onEndIo = (ended) => ended.put();
      layer.submitBio(bio);
      return bio;
    });
    layer.finishPlug();
    expect(bios).toHaveLength(3);
    expect(device.log).toEqual(["WRITE 0+4", "WRITE 4+4", "WRITE 8+4", "WRITE 12+4"]);
    for (let interval = 0; interval < 16; interval++) {
      const guard = bitwiseCrc(data.subarray(interval * 512, (interval + 1) * 512));
      expect(device.tupleOf(interval)).toEqual({ guard, app: 0, ref: interval });
    }
  });

  it("a request that is offered again part by part keeps data and tuples together", () => {
    const { device } = protectedRig();
    device.partBytes = 1024;
    const data = noise(2560);
    expect(write(6, data)).toBe(BlkStatus.OK);
    expect(device.log).toEqual(["WRITE 6+5", "WRITE 8+3", "WRITE 10+1"]);
    expect(device.tupleOf(10)).toEqual({ guard: bitwiseCrc(data.subarray(2048)), app: 0, ref: 10 });
    const back = new Uint8Array(2560);
    expect(read(6, back)).toBe(BlkStatus.OK);
    expect(back).toEqual(data);
  });

  it("discards and flushes have none", () => {
    const { layer } = protectedRig({ maxDiscardSectors: 8, writeCache: true });
    for (const op of [ReqOp.DISCARD, ReqOp.WRITE]) {
      const bio = newBio(op, 0);
      if (op === ReqOp.DISCARD) bio.bytes = 512;
      expect(bioIntegrityPrep(bio, rig.queue.limits.integrity!)).toBe(true);
      expect(bio.integrity).toBeNull();
      bio.put();
    }
    expect(layer.integrityPool.inUse).toBe(0);
  });
});

describe("verifying on read", () => {
  it.each([
    ["data", (device: IntegrityDisk) => device.intervalData(4)],
    ["guard tag", (device: IntegrityDisk) => device.tuples.subarray(32, 34)],
  ])("a flipped bit of the %s ends the read with PROTECTION, and is traced", (_what, spot) => {
    const { device, traced } = protectedRig();
    write(3, noise(1536));
    spot(device)[1]! ^= 4;
    expect(read(3, new Uint8Array(1536))).toBe(BlkStatus.PROTECTION);
    expect(traced).toEqual([{ event: "blk_integrity_verify", disk: "pi0", interval: 4, mismatch: "guard tag" }]);
    expect(read(5, new Uint8Array(512))).toBe(BlkStatus.OK);
  });

  it("type 1: data that belongs elsewhere ends with PROTECTION; type 3 does not look", () => {
    for (const [type, status] of [
      [1, BlkStatus.PROTECTION],
      [3, BlkStatus.OK],
    ] as const) {
      const { device, traced } = protectedRig({ integrity: { csum: "crc", type } });
      write(3, noise(512));
      device.intervalData(4).set(device.intervalData(3));
      device.tuples.copyWithin(32, 24, 32);
      expect(read(4, new Uint8Array(512))).toBe(status);
      expect(traced).toEqual(
        type === 3 ? [] : [{ event: "blk_integrity_verify", disk: "pi0", interval: 4, mismatch: "reference tag" }],
      );
    }
  });

  it("the application tag FFFF says that nothing is protected", () => {
    const { device } = protectedRig();
    device.tuples.fill(0xff, 0, 16);
    device.data.fill(0x33, 0, 1024);
    expect(read(0, new Uint8Array(1024))).toBe(BlkStatus.OK);
    device.tuples[2] = 0;
    expect(read(0, new Uint8Array(512))).toBe(BlkStatus.PROTECTION);
  });

  it("with type 3 only together with the reference tag FFFFFFFF", () => {
    const { device } = protectedRig({ integrity: { csum: "crc", type: 3 } });
    device.tuples.fill(0xff, 0, 8);
    device.data.fill(0x33, 0, 512);
    expect(read(0, new Uint8Array(512))).toBe(BlkStatus.OK);
    device.tuples[7] = 0;
    expect(read(0, new Uint8Array(512))).toBe(BlkStatus.PROTECTION);
  });

  it("happens in a work item, outside the driver's completion", () => {
    const { executor, layer } = protectedRig();
    write(0, noise(512));
    const bio = newBio(ReqOp.READ, 0);
    bio.addBuffer(new Uint8Array(512));
    let ended = false;
    bio.onEndIo = () => {
      ended = true;
      bio.put();
    };
    layer.submitBio(bio);
    expect(ended).toBe(false);
    executor.runUntilIdle();
    expect(ended).toBe(true);
  });

  it("a read that failed is not checked", () => {
    const { queue, device } = protectedRig();
    device.queueRq = (rq) => {
      rq.complete(BlkStatus.MEDIUM);
      return BlkStatus.OK;
    };
    expect(queue.limits.integrity).not.toBeNull();
    expect(read(0, new Uint8Array(512))).toBe(BlkStatus.MEDIUM);
  });

  it("a split read fails as a whole when one part does", () => {
    const { device } = protectedRig({ maxSectors: 2 });
    write(0, noise(4096));
    device.intervalData(1)[0]! ^= 1;
    expect(read(0, new Uint8Array(4096))).toBe(BlkStatus.PROTECTION);
  });
});

describe("a submitter's own tuples", () => {
  function bioWithTuples(op: number, sector: number, data: Uint8Array, tuples: Uint8Array, seed: number): Bio {
    const bio = newBio(op, sector, rig.disk.partition("pi0p1", 64, 64));
    bio.addBuffer(data);
    bioIntegrityAlloc(bio).set(tuples, 0, seed);
    return bio;
  }

  const tuple = (guard: number, app: number, ref: number): number[] => {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, guard);
    view.setUint16(2, app);
    view.setUint32(4, ref);
    return [...bytes];
  };

  it("count from the partition above, from the disk below", () => {
    const { device } = protectedRig();
    const data = noise(1024);
    const guards = [bitwiseCrc(data.subarray(0, 512)), bitwiseCrc(data.subarray(512))] as const;
    const tuples = Uint8Array.from([...tuple(guards[0], 0xaa, 2), ...tuple(guards[1], 0xbb, 3)]);
    expect(run(bioWithTuples(ReqOp.WRITE, 2, data, tuples, 2))).toBe(BlkStatus.OK);
    expect(device.tupleOf(66)).toEqual({ guard: guards[0], app: 0xaa, ref: 66 });
    expect(device.tupleOf(67)).toEqual({ guard: guards[1], app: 0xbb, ref: 67 });
    const back = new Uint8Array(16);
    expect(run(bioWithTuples(ReqOp.READ, 2, new Uint8Array(1024), back, 2))).toBe(BlkStatus.OK);
    expect([...back]).toEqual([...tuple(guards[0], 0xaa, 2), ...tuple(guards[1], 0xbb, 3)]);
  });

  it("go down as they are where the reference tag is not the expected one", () => {
    const { device } = protectedRig();
    run(bioWithTuples(ReqOp.WRITE, 0, noise(512), Uint8Array.from(tuple(1, 2, 999)), 0));
    expect(device.tupleOf(64)).toEqual({ guard: 1, app: 2, ref: 999 });
  });

  it("are split with the data", () => {
    const { device } = protectedRig({ maxSectors: 1 });
    const tuples = Uint8Array.from([0, 1, 2].flatMap((index) => tuple(index, 0, index)));
    expect(run(bioWithTuples(ReqOp.WRITE, 0, noise(1536), tuples, 0))).toBe(BlkStatus.OK);
    expect([64, 65, 66].map((interval) => device.tupleOf(interval))).toEqual(
      [0, 1, 2].map((index) => ({ guard: index, app: 0, ref: 64 + index })),
    );
  });

  it("are not remapped twice when a request is offered again", () => {
    const { device } = protectedRig();
    device.partBytes = 512;
    const tuples = Uint8Array.from([0, 1, 2].flatMap((index) => tuple(index, 0, index)));
    run(bioWithTuples(ReqOp.WRITE, 0, noise(1536), tuples, 0));
    expect(device.tupleOf(66).ref).toBe(66);
    const back = new Uint8Array(24);
    run(bioWithTuples(ReqOp.READ, 0, new Uint8Array(1536), back, 0));
    expect(back).toEqual(Uint8Array.from([0, 1, 2].flatMap((index) => tuple(index, 0, index))));
  });

  it("must fit their buffer", () => {
    protectedRig();
    const bio = newBio(ReqOp.WRITE, 0);
    bio.addBuffer(new Uint8Array(1024));
    const payload = bioIntegrityAlloc(bio);
    expect(() => payload.set(new Uint8Array(15), 0, 0)).toThrow(BlkBug);
    bio.put();
  });

  it("are refused on a device without integrity, and when payloads have run out", () => {
    const { queue, layer } = protectedRig({}, { maxBios: 1 });
    const payloads = Array.from({ length: layer.integrityPool.capacity }, () => layer.integrityPool.tryGet()!);
    const bio = newBio(ReqOp.WRITE, 0);
    expect(() => bioIntegrityAlloc(bio)).toThrow(expect.objectContaining({ code: "ENOMEM" }));
    for (const payload of payloads) layer.integrityPool.put(payload);
    queue.commitLimits({ integrity: null });
    expect(() => bioIntegrityAlloc(bio)).toThrow(expect.objectContaining({ code: "EOPNOTSUPP" }));
    bio.put();
  });
});

describe("integrity and encryption", () => {
  it("[CORE-44] a context bio cannot get a payload, and a bio with a payload no context", () => {
    protectedRig();
    const bio = newBio(ReqOp.WRITE, 0);
    bio.addBuffer(new Uint8Array(512));
    bio.setCryptCtx(fakeKey(), newDun(0n));
    expect(() => bioIntegrityAlloc(bio)).toThrow(
      expect.objectContaining({ code: "EOPNOTSUPP", op: "bio_integrity_alloc" }),
    );
    expect(bio.integrity).toBeNull();
    bio.freeCryptCtx();
    bioIntegrityAlloc(bio);
    expect(() => bio.setCryptCtx(fakeKey(), newDun(0n))).toThrow(BlkBug);
    bio.put();
  });

  it("[CORE-44] automatic integrity skips a context bio", () => {
    const { queue } = protectedRig();
    const bio = newBio(ReqOp.WRITE, 0);
    bio.addBuffer(new Uint8Array(512));
    bio.setCryptCtx(fakeKey(), newDun(0n));
    expect(bioIntegrityPrep(bio, queue.limits.integrity!)).toBe(true);
    expect(bio.integrity).toBeNull();
    bio.put();
  });

  it("tuples are made of what a fallback wrote, never of plaintext", () => {
    const plain = noise(512);
    const cipher = plain.map((byte) => byte ^ 0x5a);
    const fallback: Partial<CryptoFallback> = {
      attach: () => {},
      prepBio(bio) {
        bio.vecs[0]!.data.set(cipher);
        bio.freeCryptCtx();
        return true;
      },
    };
    const { device } = protectedRig({}, { cryptoFallback: fallback as CryptoFallback });
    const bio = newBio(ReqOp.WRITE, 9);
    bio.addBuffer(plain.slice());
    bio.setCryptCtx(fakeKey(), newDun(9n));
    expect(run(bio)).toBe(BlkStatus.OK);
    expect(device.tupleOf(9).guard).toBe(bitwiseCrc(cipher));
  });

  it("without a fallback a context bio fails", () => {
    protectedRig();
    const bio = newBio(ReqOp.WRITE, 9);
    bio.addBuffer(noise(512));
    bio.setCryptCtx(fakeKey(), newDun(9n));
    expect(run(bio)).toBe(BlkStatus.NOTSUPP);
  });
});

describe("memory", () => {
  it("a bio that finds no payload ends with RESOURCE", () => {
    protectedRig({}, { failAlloc: (pool) => pool.name === "bio_integrity_payload" });
    expect(write(0, noise(512))).toBe(BlkStatus.RESOURCE);
  });

  it("a clone needs a payload of its own, and fails without leaks when there is none", () => {
    let fail = false;
    const { layer } = protectedRig({}, { failAlloc: (pool) => fail && pool.name === "bio_integrity_payload" });
    const bio = newBio(ReqOp.WRITE, 0);
    bio.addBuffer(noise(512));
    bioIntegrityAlloc(bio).set(new Uint8Array(8), 0, 0);
    fail = true;
    expect(layer.bioSet.tryClone(bio)).toBeNull();
    expect(layer.bioSet.inUse).toBe(1);
    fail = false;
    const clone = layer.bioSet.tryClone(bio)!;
    expect(clone.integrity).not.toBe(bio.integrity);
    expect(clone.integrity!.buffer).toBe(bio.integrity!.buffer);
    clone.put();
    bio.put();
  });

  it("payloads are used again", () => {
    const { layer } = protectedRig();
    write(0, noise(1024));
    const payload = layer.integrityPool.tryGet()!;
    layer.integrityPool.put(payload);
    write(4, noise(512));
    expect(layer.integrityPool.tryGet()).toBe(payload);
    layer.integrityPool.put(payload);
  });
});
