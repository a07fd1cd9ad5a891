import {
  type BlkError,
  BlkStatus,
  defaultLimits,
  type QueueLimits,
  type QueueLimitsInput,
  ReqFlag,
  ReqOp,
  stackIntegrity,
  stackingLimits,
  stackLimits,
  validateLimits,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { expectNoLeaks, FakeProfile, makeRig, submit } from "./support.js";

const crc1 = { csum: "crc", type: 1 } as const;

function einval(limit: string): RegExp {
  return new RegExp(`queue_limits_set: ${limit} is .*, expected .*EINVAL`);
}

describe("validateLimits", () => {
  it("fills in defaults", () => {
    expect(validateLimits({})).toEqual(defaultLimits);
  });

  it("derives what follows from other limits", () => {
    const limits = validateLimits({
      logicalBlockBytes: 4096,
      alignmentOffsetBytes: 4096 + 512,
      ioOptBytes: 10_000,
      maxSectors: 1023,
      maxDiscardSectors: 64,
      discardAlignmentBytes: 8192 + 512,
      fua: true,
    });
    expect(limits).toMatchObject({
      physicalBlockBytes: 4096,
      alignmentOffsetBytes: 512,
      ioMinBytes: 4096,
      ioOptBytes: 8192,
      maxSectors: 1016,
      discardGranularityBytes: 4096,
      discardAlignmentBytes: 512,
      fua: false,
    });
  });

  it("has no discard granularity where there is no discard", () => {
    const limits = validateLimits({ discardGranularityBytes: 4096, discardAlignmentBytes: 512 });
    expect(limits).toMatchObject({ maxDiscardSectors: 0, discardGranularityBytes: 0, discardAlignmentBytes: 0 });
  });

  it.each<[string, QueueLimitsInput]>([
    ["logicalBlockBytes", { logicalBlockBytes: 513 }],
    ["logicalBlockBytes", { logicalBlockBytes: 2 ** 17 }],
    ["physicalBlockBytes", { physicalBlockBytes: 3000 }],
    ["segmentBoundaryBytes", { segmentBoundaryBytes: 2048 }],
    ["segmentBoundaryBytes", { segmentBoundaryBytes: 4096, logicalBlockBytes: 8192 }],
    ["dmaAlignmentBytes", { dmaAlignmentBytes: 3 }],
    ["dmaAlignmentBytes", { dmaAlignmentBytes: 8192 }],
    ["alignmentOffsetBytes", { alignmentOffsetBytes: -512 }],
    ["ioMinBytes", { ioMinBytes: Number.NaN }],
    ["ioOptBytes", { ioOptBytes: 0.5 }],
    ["maxSectors", { maxSectors: 0 }],
    ["maxSectors", { maxSectors: 7, logicalBlockBytes: 4096 }],
    ["maxSegments", { maxSegments: 0 }],
    ["maxSegments", { maxSegments: 65536 }],
    ["maxSegmentBytes", { maxSegmentBytes: 512, logicalBlockBytes: 4096 }],
    ["maxDiscardSectors", { maxDiscardSectors: -1 }],
    ["discardGranularityBytes", { maxDiscardSectors: 1, discardGranularityBytes: 1000 }],
    ["discardAlignmentBytes", { maxDiscardSectors: 1, discardAlignmentBytes: 100 }],
    ["maxWriteZeroesSectors", { maxWriteZeroesSectors: -1 }],
    ["integrity.csum", { integrity: { csum: "md5" as "crc", type: 1 } }],
    ["integrity.type", { integrity: { csum: "crc", type: 2 as 1 } }],
    ["integrity.intervalBytes", { integrity: { ...crc1, intervalBytes: 256 } }],
    ["integrity.intervalBytes", { integrity: { ...crc1, intervalBytes: 4096 } }],
    ["integrity.tupleBytes", { integrity: { ...crc1, tupleBytes: 16 as 8 } }],
    ["integrity.tagBytes", { integrity: { ...crc1, tagBytes: 6 } }],
  ])("refuses %s in %o", (limit, wanted) => {
    expect(() => validateLimits(wanted)).toThrow(einval(limit));
  });

  it("an integrity interval is the logical block unless stated", () => {
    expect(validateLimits({ logicalBlockBytes: 4096, integrity: crc1 }).integrity).toEqual({
      ...crc1,
      intervalBytes: 4096,
      tupleBytes: 8,
      tagBytes: 0,
    });
    expect(
      validateLimits({ logicalBlockBytes: 4096, integrity: { ...crc1, intervalBytes: 512 } }).integrity!.intervalBytes,
    ).toBe(512);
  });

  it("a bio's protection information is at most 2 MiB", () => {
    expect(validateLimits({ maxSectors: 2 ** 30, integrity: crc1 }).maxSectors).toBe(2 ** 18);
  });
});

describe("commitLimits", () => {
  it("changes what is named and keeps the rest", () => {
    const { queue } = makeRig({ limits: { maxSectors: 64, writeCache: true } });
    queue.commitLimits({ maxSegments: 4, fua: true });
    expect(queue.limits).toMatchObject({ maxSectors: 64, maxSegments: 4, writeCache: true, fua: true });
  });

  it("takes effect on the next bio", () => {
    const rig = makeRig();
    rig.queue.commitLimits({ maxSectors: 8 });
    submit(rig, 0, 16);
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 8+8"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("changes nothing when one limit is wrong", () => {
    const { queue } = makeRig();
    const before = queue.limits;
    expect(() => queue.commitLimits({ maxSectors: 8, maxSegments: 0 })).toThrow(einval("maxSegments"));
    expect(queue.limits).toBe(before);
  });

  it("refuses while I/O is in flight", () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    expect(() => rig.queue.commitLimits({ maxSectors: 8 })).toThrow(/1 I\/Os are in flight.*EBUSY/);
    rig.driver.completeAll();
    rig.queue.commitLimits({ maxSectors: 8 });
    expect(rig.queue.limits.maxSectors).toBe(8);
  });

  it("bios that waited while the queue was frozen meet the new limits", async () => {
    const rig = makeRig();
    submit(rig, 0, 8);
    const frozen = rig.queue.freeze();
    submit(rig, 100, 16);
    rig.driver.completeAll();
    await frozen;
    rig.queue.commitLimits({ maxSectors: 8 });
    rig.queue.unfreeze();
    expect(rig.driver.log).toEqual(["READ 0+8", "READ 100+8", "READ 108+8"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it("bios that waited and are no whole logical blocks any more fail; flushes and others go on", async () => {
    const rig = makeRig({ limits: { writeCache: true } });
    const frozen = rig.queue.freeze();
    const ends = [
      submit(rig, 1, 1),
      submit(rig, 8, 1),
      submit(rig, 1, 8),
      submit(rig, 8, 8),
      submit(rig, 3, 0, { op: ReqOp.WRITE | ReqFlag.PREFLUSH }),
    ];
    await frozen;
    rig.queue.commitLimits({ logicalBlockBytes: 4096 });
    rig.queue.unfreeze();
    rig.driver.completeAll();
    const { IOERR, OK } = BlkStatus;
    expect(ends).toEqual([[IOERR], [IOERR], [IOERR], [OK], [OK]]);
    expectNoLeaks(rig);
  });

  it("[CORE-43] integrity on a queue with a crypto profile fails and leaves the limits unchanged", () => {
    const { queue } = makeRig();
    expect(queue.registerCryptoProfile(new FakeProfile())).toBe(true);
    const before = queue.limits;
    for (const tagBytes of [2, 0]) {
      const integrity = { ...crc1, tagBytes };
      expect(() => queue.commitLimits({ maxSectors: 8, integrity })).toThrow(
        expect.objectContaining({ code: "EINVAL", op: "queue_limits_commit_update" }) as BlkError,
      );
      expect(queue.limits).toBe(before);
    }
    queue.commitLimits({ maxSectors: 8, integrity: null });
    expect(queue.limits.maxSectors).toBe(8);
  });
});

describe("registering a crypto profile", () => {
  it("[CORE-42] is refused with a trace on a queue with integrity; the profile stays what it was", () => {
    const traced: string[] = [];
    const rig = makeRig({ limits: { integrity: crc1 } }, { tracer: { trace: (event) => traced.push(event) } });
    const before = rig.queue.cryptoProfile;
    expect(rig.queue.registerCryptoProfile(new FakeProfile())).toBe(false);
    expect(rig.queue.cryptoProfile).toBe(before);
    expect(traced).toEqual(["blk_crypto_register"]);
  });

  it("[CORE-41] is what makes a device support inline encryption", () => {
    const { queue } = makeRig();
    const profile = new FakeProfile();
    expect(queue.registerCryptoProfile(profile)).toBe(true);
    expect(queue.cryptoProfile).toBe(profile);
  });
});

describe("splitting to limits of memory", () => {
  it("no segment crosses the boundary", () => {
    const rig = makeRig({ limits: { segmentBoundaryBytes: 4096, maxSegments: 2 } });
    const ends = submit(rig, 0, 17, { vecs: [17 * 512] });
    expect(rig.driver.taken.map((rq) => [rq.sectors, rq.segmentCount])).toEqual([
      [16, 2],
      [1, 1],
    ]);
    rig.driver.completeAll();
    expect(ends).toEqual([BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("the boundary counts from offset 0 of the memory, not from where the segment starts", () => {
    const rig = makeRig({ limits: { segmentBoundaryBytes: 4096 } });
    const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, 0)!;
    bio.addBuffer(new Uint8Array(8192), 2048, 4096);
    bio.onEndIo = (ended) => ended.put();
    rig.layer.submitBio(bio);
    expect(rig.driver.taken[0]!.segmentCount).toBe(2);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });

  it.each([
    ["length", [500, 524]],
    ["offset of a segment", [1020, 4]],
  ])("[CORE-12] memory not aligned for DMA is refused: %s", (_what, vecs) => {
    const rig = makeRig({ limits: { dmaAlignmentBytes: 512 } });
    expect(submit(rig, 0, 2, { vecs })).toEqual([BlkStatus.INVAL]);
    expectNoLeaks(rig);
  });

  it("[CORE-12] a start not aligned for DMA is refused, for plain and for encrypted bios", () => {
    const rig = makeRig({ limits: { dmaAlignmentBytes: 64 } });
    const statuses: BlkStatus[] = [];
    for (const offset of [32, 64]) {
      const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, 0)!;
      bio.addBuffer(new Uint8Array(1024), offset, 512);
      bio.onEndIo = (ended) => {
        statuses.push(ended.status);
        ended.put();
      };
      rig.layer.submitBio(bio);
    }
    rig.driver.completeAll();
    expect(statuses).toEqual([BlkStatus.INVAL, BlkStatus.OK]);
    expectNoLeaks(rig);
  });

  it("a discard's parts end on granules", () => {
    const rig = makeRig({
      limits: { maxDiscardSectors: 20, discardGranularityBytes: 4096, discardAlignmentBytes: 1024 },
    });
    const bio = rig.layer.bioSet.tryAlloc(rig.disk.part0, 3)!;
    bio.sector = 5;
    bio.bytes = 40 * 512;
    bio.onEndIo = (ended) => ended.put();
    rig.layer.submitBio(bio);
    expect(rig.driver.log).toEqual(["DISCARD 5+13", "DISCARD 18+16", "DISCARD 34+11"]);
    rig.driver.completeAll();
    expectNoLeaks(rig);
  });
});

/** Stacks devices, each with the sector its data starts at, from nothing. */
function stack(...bottoms: readonly (readonly [QueueLimitsInput, number])[]): { limits: QueueLimits; bad: boolean[] } {
  let limits = stackingLimits;
  const bad: boolean[] = [];
  for (const [bottom, startSector] of bottoms) {
    const stacked = stackLimits(limits, validateLimits(bottom), startSector);
    limits = stacked.limits;
    bad.push(stacked.misaligned);
  }
  return { limits, bad };
}

describe("stackLimits", () => {
  it("one device's limits come through", () => {
    const bottom = validateLimits({
      logicalBlockBytes: 4096,
      ioOptBytes: 65536,
      maxSectors: 64,
      maxSegments: 4,
      maxSegmentBytes: 8192,
      segmentBoundaryBytes: 65536,
      dmaAlignmentBytes: 4,
      maxDiscardSectors: 128,
      discardGranularityBytes: 8192,
      maxWriteZeroesSectors: 16,
      writeCache: true,
      fua: true,
    });
    expect(stackLimits(stackingLimits, bottom, 0)).toEqual({ limits: bottom, misaligned: false });
  });

  it("two devices: the smaller maxima, the larger blocks, a multiple of both stream sizes", () => {
    const { limits, bad } = stack(
      [{ maxSectors: 100, maxSegments: 9, ioOptBytes: 12288, maxWriteZeroesSectors: 8, writeCache: true }, 0],
      [{ maxSectors: 200, maxSegments: 3, ioOptBytes: 8192, physicalBlockBytes: 4096, dmaAlignmentBytes: 8 }, 0],
    );
    expect(limits).toMatchObject({
      maxSectors: 100,
      maxSegments: 3,
      ioOptBytes: 24576,
      physicalBlockBytes: 4096,
      ioMinBytes: 4096,
      dmaAlignmentBytes: 8,
      maxWriteZeroesSectors: 0,
      writeCache: true,
      misaligned: false,
    });
    expect(bad).toEqual([false, false]);
  });

  it("maxima are whole logical blocks, but a page at least", () => {
    expect(stack([{ maxSectors: 9 }, 0], [{ logicalBlockBytes: 4096 }, 0]).limits.maxSectors).toBe(8);
    expect(stack([{ maxSectors: 1 }, 0]).limits.maxSectors).toBe(8);
  });

  it("data that starts inside a physical block has an offset to the next", () => {
    const { limits, bad } = stack([{ physicalBlockBytes: 4096 }, 63]);
    expect(limits).toMatchObject({ alignmentOffsetBytes: 512, misaligned: false });
    expect(bad).toEqual([false]);
  });

  it("offsets that cancel out are aligned", () => {
    const { limits } = stack([{ physicalBlockBytes: 4096, alignmentOffsetBytes: 3584 }, 63]);
    expect(limits).toMatchObject({ alignmentOffsetBytes: 0, misaligned: false });
  });

  it("devices whose physical blocks start at different places are misaligned, and that sticks", () => {
    const { limits, bad } = stack([{ physicalBlockBytes: 4096 }, 1], [{ physicalBlockBytes: 4096 }, 3], [{}, 0]);
    expect(bad.slice(0, 2)).toEqual([false, true]);
    expect(limits.misaligned).toBe(true);
  });

  it("an offset inside a logical block is misaligned", () => {
    const { limits, bad } = stack([{ physicalBlockBytes: 4096 }, 1], [{ logicalBlockBytes: 4096 }, 0]);
    expect(bad[1]).toBe(true);
    expect(limits.misaligned).toBe(true);
  });

  it("preferred sizes that are no multiple of the common physical block are dropped, as misaligned", () => {
    const opt = stack([{ ioOptBytes: 1536 }, 0], [{ physicalBlockBytes: 4096 }, 0]);
    expect(opt.limits).toMatchObject({ ioOptBytes: 0, misaligned: true });
    const min = stack([{ ioMinBytes: 6144 }, 0], [{ physicalBlockBytes: 4096 }, 0]);
    expect(min.limits).toMatchObject({ ioMinBytes: 4096, misaligned: true });
  });

  it("optimal sizes that have nothing in common are no hint, however many there are", () => {
    const primes = [4097, 4099, 4111, 4127, 4129, 4133];
    const { limits } = stack(...primes.map((size): [QueueLimitsInput, number] => [{ ioOptBytes: size * 512 }, 0]));
    expect(limits.ioOptBytes).toBeLessThan(2 ** 32);
    expect(() => validateLimits(limits)).not.toThrow();
  });

  it("a misaligned device below makes all above misaligned, without being at fault itself", () => {
    const below = { ...validateLimits({}), misaligned: true };
    expect(stackLimits(stackingLimits, below, 0)).toMatchObject({ misaligned: false, limits: { misaligned: true } });
  });

  it("discards: the smaller maximum of those who can, the larger granule, the common offset", () => {
    const { limits } = stack(
      [{ maxDiscardSectors: 100, discardGranularityBytes: 8192 }, 4],
      [{}, 0],
      [{ maxDiscardSectors: 50, discardGranularityBytes: 4096 }, 0],
    );
    expect(limits).toMatchObject({
      maxDiscardSectors: 50,
      discardGranularityBytes: 8192,
      discardAlignmentBytes: 6144,
    });
  });

  it("the result can be committed", () => {
    const { queue } = makeRig();
    const { limits } = stack([{ maxSectors: 16 }, 0], [{ maxDiscardSectors: 8 }, 63]);
    queue.commitLimits(limits);
    expect(queue.limits).toEqual(limits);
  });
});

describe("stackIntegrity", () => {
  const protectedBy = (integrity: QueueLimitsInput["integrity"]) =>
    validateLimits({ logicalBlockBytes: 4096, integrity: integrity ?? null });

  it("passes on what all devices have", () => {
    expect(stackIntegrity([protectedBy(crc1), protectedBy(crc1)])).toEqual(protectedBy(crc1).integrity);
  });

  it.each([
    ["none", null],
    ["csum", { ...crc1, csum: "ip" } as const],
    ["type", { ...crc1, type: 3 } as const],
    ["interval", { ...crc1, intervalBytes: 512 }],
    ["tags", { ...crc1, tagBytes: 2 }],
  ])("none when one device differs: %s", (_what, other) => {
    expect(stackIntegrity([protectedBy(crc1), protectedBy(other)])).toBeNull();
    expect(stackIntegrity([protectedBy(other), protectedBy(crc1)])).toBeNull();
  });

  it("none of no devices", () => {
    expect(stackIntegrity([])).toBeNull();
  });
});
