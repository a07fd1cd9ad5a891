import {
  type Bio,
  BlkBug,
  BlkStatus,
  bioIntegrityAlloc,
  type CryptoFallback,
  newDun,
  ReqFlag,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { afterEach, describe, expect, it } from "vitest";
import { bioIntegrityPrep } from "../src/bio-integrity.js";
import { bitwiseCrc } from "./integrity-disk.js";
import { IntegrityRig, noise } from "./integrity-rig.js";
import { expectNoLeaks, fakeKey, makeBio, makeRig, submit } from "./support.js";

let rig: IntegrityRig;

function protectedRig(...options: ConstructorParameters<typeof IntegrityRig>): IntegrityRig {
  rig = new IntegrityRig(...options);
  return rig;
}

afterEach(() => rig.expectAtRest());

describe("a submitter's own tuples", () => {
  function bioWithTuples(op: number, sector: number, data: Uint8Array, tuples: Uint8Array, seed: number): Bio {
    const bio = rig.newBio(op, sector, rig.disk.partition("pi0p1", 64, 64));
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
    expect(rig.run(bioWithTuples(ReqOp.WRITE, 2, data, tuples, 2))).toBe(BlkStatus.OK);
    expect(device.tupleOf(66)).toEqual({ guard: guards[0], app: 0xaa, ref: 66 });
    expect(device.tupleOf(67)).toEqual({ guard: guards[1], app: 0xbb, ref: 67 });
    const back = new Uint8Array(16);
    expect(rig.run(bioWithTuples(ReqOp.READ, 2, new Uint8Array(1024), back, 2))).toBe(BlkStatus.OK);
    expect([...back]).toEqual([...tuple(guards[0], 0xaa, 2), ...tuple(guards[1], 0xbb, 3)]);
  });

  it("go down as they are where the reference tag is not the expected one", () => {
    const { device } = protectedRig();
    rig.run(bioWithTuples(ReqOp.WRITE, 0, noise(512), Uint8Array.from(tuple(1, 2, 999)), 0));
    expect(device.tupleOf(64)).toEqual({ guard: 1, app: 2, ref: 999 });
  });

  it("are split with the data", () => {
    const { device } = protectedRig({ maxSectors: 1 });
    const tuples = Uint8Array.from([0, 1, 2].flatMap((index) => tuple(index, 0, index)));
    expect(rig.run(bioWithTuples(ReqOp.WRITE, 0, noise(1536), tuples, 0))).toBe(BlkStatus.OK);
    expect([64, 65, 66].map((interval) => device.tupleOf(interval))).toEqual(
      [0, 1, 2].map((index) => ({ guard: index, app: 0, ref: 64 + index })),
    );
  });

  it("are not remapped twice when a request is offered again", () => {
    const { device } = protectedRig();
    device.partBytes = 512;
    const tuples = Uint8Array.from([0, 1, 2].flatMap((index) => tuple(index, 0, index)));
    rig.run(bioWithTuples(ReqOp.WRITE, 0, noise(1536), tuples, 0));
    expect(device.tupleOf(66).ref).toBe(66);
    const back = new Uint8Array(24);
    rig.run(bioWithTuples(ReqOp.READ, 0, new Uint8Array(1536), back, 0));
    expect(back).toEqual(Uint8Array.from([0, 1, 2].flatMap((index) => tuple(index, 0, index))));
  });

  it("must fit their buffer", () => {
    protectedRig();
    const bio = rig.newBio(ReqOp.WRITE, 0);
    bio.addBuffer(new Uint8Array(1024));
    const payload = bioIntegrityAlloc(bio);
    expect(() => payload.set(new Uint8Array(15), 0, 0)).toThrow(BlkBug);
    bio.put();
  });

  it("are refused on a device without integrity, and when payloads have run out", () => {
    const { queue, layer } = protectedRig({}, { maxBios: 1 });
    const payloads = Array.from({ length: layer.integrityPool.capacity }, () => layer.integrityPool.tryGet()!);
    const bio = rig.newBio(ReqOp.WRITE, 0);
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
    const bio = rig.newBio(ReqOp.WRITE, 0);
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
    const bio = rig.newBio(ReqOp.WRITE, 0);
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
    const bio = rig.newBio(ReqOp.WRITE, 9);
    bio.addBuffer(plain.slice());
    bio.setCryptCtx(fakeKey(), newDun(9n));
    expect(rig.run(bio)).toBe(BlkStatus.OK);
    expect(device.tupleOf(9).guard).toBe(bitwiseCrc(cipher));
  });

  it("without a fallback a context bio fails", () => {
    protectedRig();
    const bio = rig.newBio(ReqOp.WRITE, 9);
    bio.addBuffer(noise(512));
    bio.setCryptCtx(fakeKey(), newDun(9n));
    expect(rig.run(bio)).toBe(BlkStatus.NOTSUPP);
  });
});

it("a bio is given one payload", () => {
  const rig = protectedRig({});
  const bio = rig.newBio(ReqOp.WRITE, 9);
  bio.addBuffer(noise(512));
  bioIntegrityAlloc(bio);
  expect(() => bioIntegrityAlloc(bio)).toThrow("given protection information twice");
  bio.put();
  expect(rig.layer.integrityPool.inUse).toBe(0);
});

describe("bios that find no payload", () => {
  const limits = { maxSectors: 8, maxDiscardSectors: 8, integrity: { csum: "crc", type: 3 } } as const;

  it("wait for one, unless they may not", () => {
    let fail = true;
    const manual = makeRig({ limits }, { failAlloc: (pool) => fail && pool.name === "bio_integrity_payload" });
    expect(submit(manual, 0, 1, { op: ReqOp.WRITE | ReqFlag.NOWAIT })).toEqual([BlkStatus.AGAIN]);
    const ends = submit(manual, 0, 1, { op: ReqOp.WRITE });
    manual.executor.advance(100);
    expect([ends, manual.driver.log]).toEqual([[], []]);
    fail = false;
    manual.executor.advance(10);
    manual.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(manual);
  });

  it.each([ReqOp.WRITE, ReqOp.READ])("and are parts of one larger bio all end well, op %d", (op) => {
    const manual = makeRig({ limits, queueDepth: 128 }, { maxBios: 8 });
    const ends = submit(manual, 0, 2048, { op });
    expect(manual.driver.taken).toHaveLength(manual.layer.integrityPool.capacity);
    while (manual.driver.taken.length > 0) {
      manual.driver.completeAll();
      manual.executor.runUntilIdle();
    }
    expect(ends).toEqual([BlkStatus.OK]);
    expect(manual.driver.log).toHaveLength(256);
    expectNoLeaks(manual);
  });

  it("never take, as parts of a bio that was resumed, the split bios that its rest needs", () => {
    const manual = makeRig({ limits, queueDepth: 1 }, { maxBios: 8 });
    const pool = manual.layer.integrityPool;
    const held = Array.from({ length: pool.capacity }, () => pool.tryGet()!);
    const discard = makeBio(manual, 8, 0, { op: ReqOp.DISCARD });
    discard.bio.bytes = 4096;
    manual.layer.submitBio(discard.bio);
    const ends = submit(manual, 0, 2048, { op: ReqOp.WRITE });
    manual.driver.completeAll();
    for (const payload of held) pool.put(payload);
    manual.executor.advance(10);
    manual.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(manual);
  });

  it("never wait for payloads of bios that wait behind them", () => {
    const manual = makeRig({ limits, queueDepth: 1 }, { maxBios: 8 });
    const { layer, driver, executor } = manual;
    const pool = layer.integrityPool;
    const held = Array.from({ length: pool.capacity }, () => pool.tryGet()!);
    const ends = [submit(manual, 0, 1, { op: ReqOp.WRITE })];
    for (const payload of held) pool.put(payload);
    const discard = makeBio(manual, 8, 0, { op: ReqOp.DISCARD });
    discard.bio.bytes = 4096;
    layer.submitBio(discard.bio);
    const others = layer.newBioSet("others", pool.capacity);
    for (let index = 1; index <= pool.capacity; index++) {
      const bio = others.tryAlloc(manual.disk.part0, ReqOp.WRITE)!;
      bio.sector = 16 * index;
      bio.addBuffer(new Uint8Array(512));
      const statuses: BlkStatus[] = [];
      ends.push(statuses);
      bio.onEndIo = () => {
        statuses.push(bio.status);
        bio.put();
      };
      layer.submitBio(bio);
    }
    driver.completeAll();
    executor.advance(10);
    driver.completeAll();
    expect(ends).toEqual(ends.map(() => [BlkStatus.OK]));
    expectNoLeaks(manual);
  });
});

describe("memory", () => {
  it("a clone needs a payload of its own, and fails without leaks when there is none", () => {
    let fail = false;
    const { layer } = protectedRig({}, { failAlloc: (pool) => fail && pool.name === "bio_integrity_payload" });
    const bio = rig.newBio(ReqOp.WRITE, 0);
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
    rig.write(0, noise(1024));
    const payload = layer.integrityPool.tryGet()!;
    layer.integrityPool.put(payload);
    rig.write(4, noise(512));
    expect(layer.integrityPool.tryGet()).toBe(payload);
    layer.integrityPool.put(payload);
  });
});
