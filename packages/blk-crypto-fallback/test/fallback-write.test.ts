import { type Bio, BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { SimOffloadEngine } from "./sim-offload.ts";
import { ciphertextOf, expectNoLeaks, MODES, makeKey, makeRig, pattern, type Rig } from "./support.ts";

const MIB = 1 << 20;
let rig: Rig;
afterEach(() => expectNoLeaks(rig));

describe("what lands on the medium", () => {
  it.each([512, 1024, 4096, 65536])("[FB-20] [FB-21] [INT-1] is the oracle's ciphertext: data units of %i", (bytes) => {
    const key = makeKey(3, { dataUnitBytes: bytes });
    rig = makeRig({}, key);
    const data = pattern(2 * bytes);
    expect(rig.write(data, { sector: 8, dun: 77n }).ends).toEqual([BlkStatus.OK]);
    expect(rig.stored(8, data.length)).toEqual(ciphertextOf(data, key, 77n));
  });

  it.each([2n ** 32n - 1n, 2n ** 64n - 1n, 2n ** 128n - 2n])("[FB-21] the DUN rises by one per unit from %d", (dun) => {
    const key = makeKey();
    rig = makeRig({}, key);
    const data = pattern(2048);
    rig.write(data, { dun });
    expect(rig.stored(0, 1024)).toEqual(ciphertextOf(data.subarray(0, 1024), key, dun));
    expect(rig.stored(1024 / 512, 1024)).toEqual(ciphertextOf(data.subarray(1024), key, (dun + 2n) % 2n ** 128n));
  });

  it.each(MODES)("[FB-1] [FB-20] is the oracle's ciphertext in every mode: %s", (mode) => {
    const key = makeKey(4, { mode, dataUnitBytes: 1024 });
    rig = makeRig({}, key);
    const data = pattern(4096);
    const dun = 2n ** BigInt(8 * key.dunBytes) - 4n;
    expect(rig.write([data.subarray(0, 1024), data.subarray(1024)], { dun }).ends).toEqual([BlkStatus.OK]);
    expect(rig.stored(0, 4096)).toEqual(ciphertextOf(data, key, dun));
  });

  it.each([8192, 65536])("[FB-26] data units of %i bytes may be spread over segments of whole pages", (bytes) => {
    const key = makeKey(1, { dataUnitBytes: bytes });
    rig = makeRig({}, key);
    const data = pattern(3 * bytes);
    const before = data.slice();
    const cuts = [0, 4096, bytes + 4096, 3 * bytes - 4096, 3 * bytes];
    const parts = cuts.slice(1).map((end, nth) => data.subarray(cuts[nth]!, end));
    expect(rig.write(parts, { dun: 7n }).ends).toEqual([BlkStatus.OK]);
    expect(Buffer.compare(rig.stored(0, data.length), ciphertextOf(data, key, 7n))).toBe(0);
    expect([Buffer.compare(data, before), rig.engine.log]).toEqual([0, [`encrypt ${3 * bytes} 7`]]);
  });

  it("[FB-26] [FB-11] and over bounces", () => {
    const key = makeKey(1, { dataUnitBytes: 65536 });
    rig = makeRig({}, key);
    const data = pattern(MIB + 131072);
    rig.write([data.subarray(0, 4096), data.subarray(4096, MIB + 69632), data.subarray(MIB + 69632)], { dun: 3n });
    rig.executor.runUntilIdle();
    expect(rig.engine.log).toEqual([`encrypt ${MIB} 3`, "encrypt 131072 19"]);
    expect(Buffer.compare(rig.stored(2048, 131072), ciphertextOf(data.subarray(MIB), key, 19n))).toBe(0);
  });

  it("does not depend on how the memory is cut, nor where its views lie", () => {
    const key = makeKey();
    rig = makeRig({}, key);
    const memory = pattern(8192);
    const data = memory.subarray(3, 3 + 4096);
    rig.write([data.subarray(0, 512), data.subarray(512, 2048), data.subarray(2048)], { dun: 5n });
    expect(rig.stored(0, 4096)).toEqual(ciphertextOf(data, key, 5n));
    expect(rig.engine.log).toEqual(["encrypt 512 5", "encrypt 1536 6", "encrypt 2048 9"]);
  });

  it("begins at the bio's position", () => {
    const key = makeKey();
    rig = makeRig({}, key);
    const data = pattern(4096);
    const bio = rig.layer.bioSet.tryAlloc(rig.bdev, ReqOp.WRITE)!;
    bio.addBuffer(data, 0, 2048);
    bio.addBuffer(data, 2048, 2048);
    bio.setCryptCtx(key, new Uint32Array(8));
    bio.advance(1024);
    rig.layer.submitBio(bio);
    bio.put();
    expect(rig.stored(2, 3072)).toEqual(ciphertextOf(data, key, 0n).subarray(1024));
    expect(rig.stored(0, 1024)).toEqual(new Uint8Array(1024));
  });
});

describe("the bounce bio", () => {
  it("[FB-9] [FB-10] [FB-19] [CORE-11] is plain, mirrors the source's vectors and shares none of its memory", () => {
    rig = makeRig();
    rig.disk.synchronous = false;
    const data = pattern(4096);
    const before = data.slice();
    const partition = rig.bdev.disk.partition("test0p1", 64, 64);
    const flags = ReqFlag.FUA | ReqFlag.PREFLUSH | ReqFlag.SYNC;
    rig.write([data.subarray(0, 1024), data.subarray(1024)], { bdev: partition, sector: 4, flags });
    const bounce = rig.disk.taken[0]!;
    expect(bounce).toMatchObject({
      bdev: partition,
      opf: ReqOp.WRITE | flags | ReqFlag.SKIP_DM_DEFAULT_KEY,
      sector: 68,
      bytes: 4096,
      cryptCtx: null,
    });
    expect(bounce.vecs.slice(0, bounce.vecCount).map((vec) => vec.bytes)).toEqual([1024, 3072]);
    for (const vec of bounce.vecs) expect(vec.data.buffer).not.toBe(data.buffer);
    expect(data).toEqual(before);
    rig.disk.complete(0);
    expect(data).toEqual(before);
    expect(rig.stored(68, 4096)).toEqual(ciphertextOf(data, makeKey(), 0n));
  });

  it("[FB-10] is not remapped from its partition a second time", () => {
    const key = makeKey();
    rig = makeRig({}, key);
    const partition = rig.bdev.disk.partition("test0p1", 64, 64);
    const bio = rig.layer.bioSet.tryAlloc(partition, ReqOp.WRITE)!;
    bio.sector = 70;
    bio.remapped = true;
    bio.addBuffer(pattern(512));
    bio.setCryptCtx(key, new Uint32Array(8));
    rig.layer.submitBio(bio);
    bio.put();
    expect(rig.disk.log).toEqual(["WRITE 70+1"]);
  });

  it("[FB-22] holds no keyslot while the device works", () => {
    rig = makeRig();
    rig.disk.synchronous = false;
    let during = -1;
    rig.engine.onCall = () => {
      during = rig.fallback.slotTable()[0]!.references;
    };
    rig.write(pattern(512));
    expect([during, rig.fallback.slotTable()[0]!.references]).toEqual([1, 0]);
    rig.disk.complete(0);
  });

  it("[FB-23] a synchronous device and an eviction in the callback never meet a key in use", async () => {
    const key = makeKey();
    rig = makeRig({}, key);
    let evicted: Promise<void> | undefined;
    const io = rig.write(pattern(512), {
      onEnd: () => {
        evicted = blkCryptoEvictKey(rig.bdev, key);
        key.wipe();
      },
    });
    await evicted;
    expect([io.ends, rig.tracer.events, rig.engine.keyed]).toEqual([[BlkStatus.OK], [], []]);
  });
});

describe("a source larger than one bounce", () => {
  it("[FB-11] becomes several bounce bios with sectors and DUNs that continue, and ends once, after the last", () => {
    const key = makeKey(1, { dataUnitBytes: 4096 });
    rig = makeRig({}, key);
    rig.disk.synchronous = false;
    const data = pattern(2 * MIB + 8192);
    const splits: string[] = [];
    rig.layer.tracepoints.blockSplit.subscribe((bio, rest) => splits.push(`${bio.sector}+${bio.sectors} / ${rest}`));
    const io = rig.write(data, { sector: 16, dun: 9n });
    rig.executor.runUntilIdle();
    expect(splits).toEqual(["16+2048 / 2064", "2064+2048 / 4112"]);
    expect(rig.disk.log).toEqual(["WRITE 16+2048", "WRITE 2064+2048", "WRITE 4112+16"]);
    for (const index of [1, 1]) rig.disk.complete(index);
    expect(io.ends).toEqual([]);
    rig.disk.complete(0);
    expect(io.ends).toEqual([BlkStatus.OK]);
    const last = ciphertextOf(data.subarray(2 * MIB), key, 9n + 512n);
    expect(rig.stored(4112, 8192)).toEqual(last);
    expect(rig.engine.log.map((call) => call.split(" ")[2])).toEqual(["9", "265", "521"]);
  });

  it("[FB-11] is cut at whole data units in the middle of a vector", () => {
    const key = makeKey(1, { dataUnitBytes: 65536 });
    rig = makeRig({}, key);
    rig.write([pattern(65536), pattern(MIB, 2)]);
    rig.executor.runUntilIdle();
    expect(rig.disk.log).toEqual(["WRITE 0+2048", "WRITE 2048+128"]);
    expect(rig.stored(2048, 65536)).toEqual(ciphertextOf(pattern(MIB, 2).subarray(MIB - 65536), key, 16n));
  });

  it("lets other work run between its bounces, and so do the writes that wait behind it", () => {
    rig = makeRig();
    for (const bytes of [2 * MIB, MIB, MIB]) rig.write(pattern(bytes));
    for (const encrypted of [1, 2, 3, 4]) {
      expect(rig.disk.log).toHaveLength(encrypted);
      rig.executor.runOne();
    }
    rig.executor.runUntilIdle();
  });

  it("[FB-12] ends with the first error of its bounces", () => {
    rig = makeRig();
    rig.disk.synchronous = false;
    const io = rig.write(pattern(3 * MIB));
    rig.executor.runUntilIdle();
    rig.disk.statuses.push(BlkStatus.OK, BlkStatus.MEDIUM, BlkStatus.TIMEOUT);
    for (let ended = 0; ended < 3; ended++) rig.disk.complete(0);
    expect(io.ends).toEqual([BlkStatus.MEDIUM]);
  });

  it("[FB-23] may lose its key in the callback of the last", async () => {
    const key = makeKey();
    rig = makeRig({}, key);
    let evicted: Promise<void> | undefined;
    rig.write(pattern(2 * MIB), {
      onEnd: () => {
        evicted = blkCryptoEvictKey(rig.bdev, key);
      },
    });
    rig.executor.runUntilIdle();
    await evicted;
    expect([rig.tracer.events, rig.engine.keyed]).toEqual([[], []]);
  });
});

describe("a write that cannot be encrypted", () => {
  it.each([
    ["length", [512, 256]],
    ["length in front", [256, 512]],
  ])("[FB-13] [INT-9] is refused when a vector's %s is not whole data units", (_what, lengths) => {
    rig = makeRig();
    const io = rig.write(lengths.map((bytes) => pattern(bytes)));
    expect([io.ends, rig.disk.log, rig.engine.log]).toEqual([[BlkStatus.INVAL], [], []]);
  });

  it.each([
    ["a segment that is no whole pages", [512, 65024]],
    ["a length that is no whole data units", [4096, 57344]],
  ])("[FB-13] [FB-26] is refused for data units larger than a page with %s", (_what, lengths) => {
    rig = makeRig({}, makeKey(1, { dataUnitBytes: 65536 }));
    expect(rig.write(lengths.map((bytes) => pattern(bytes))).ends).toEqual([BlkStatus.INVAL]);
  });

  it("[FB-14] [FB-26] leaves no plaintext behind when a data unit was spread over segments", () => {
    const engine = new SimOffloadEngine();
    engine.room = 0;
    rig = makeRig({ engine }, makeKey(1, { dataUnitBytes: 65536 }));
    engine.callsLeft = 0;
    expect(rig.write([pattern(4096), pattern(61440)]).ends).toEqual([BlkStatus.IOERR]);
    expect(engine.memories.map((memory) => memory.bytes.some((byte) => byte !== 0))).toEqual([false]);
  });

  it("[FB-13] is refused when a vector's offset is not", () => {
    const key = makeKey(1, { dataUnitBytes: 4096 });
    rig = makeRig({}, key);
    const ends: BlkStatus[] = [];
    const bio = rig.layer.bioSet.tryAlloc(rig.bdev, ReqOp.WRITE)!;
    bio.addBuffer(pattern(8192), 512, 4096);
    bio.setCryptCtx(key, new Uint32Array(8));
    bio.onEndIo = () => ends.push(bio.status);
    rig.layer.submitBio(bio);
    bio.put();
    expect([ends, rig.disk.log]).toEqual([[BlkStatus.INVAL], []]);
  });

  it("[FB-14] ends with IOERR when the cipher fails, and says why in the trace", () => {
    rig = makeRig();
    rig.engine.callsLeft = 1;
    const io = rig.write([pattern(512), pattern(512)]);
    expect([io.ends, rig.disk.log]).toEqual([[BlkStatus.IOERR], []]);
    expect(rig.tracer.events).toEqual(['crypto_skcipher_encrypt {"error":"EIO"}']);
  });

  it("[FB-14] gives back all it took: the next write finds the only bounce free", () => {
    rig = makeRig({ bounceCount: 1 });
    rig.engine.callsLeft = 0;
    for (let again = 0; again < 2; again++) expect(rig.write(pattern(512)).ends).toEqual([BlkStatus.IOERR]);
    rig.engine.callsLeft = 1;
    expect(rig.write(pattern(512)).ends).toEqual([BlkStatus.OK]);
  });

  it("[FB-14] earlier bounces complete before it ends", () => {
    rig = makeRig();
    rig.disk.synchronous = false;
    rig.engine.callsLeft = 1;
    const io = rig.write(pattern(2 * MIB));
    rig.executor.runUntilIdle();
    expect([io.ends, rig.disk.taken.length]).toEqual([[], 1]);
    rig.disk.complete(0);
    expect(io.ends).toEqual([BlkStatus.IOERR]);
    expect(rig.stored(0, 512)).toEqual(ciphertextOf(pattern(MIB).subarray(0, 512), makeKey(), 0n));
  });

  it("[FB-24] an XTS key with equal halves passes init and start and fails its first I/O with INVAL", () => {
    const weak = makeKey(1, { bytes: new Uint8Array(64).fill(9) });
    rig = makeRig({}, weak);
    for (let again = 0; again < 2; again++) expect(rig.write(pattern(512)).ends).toEqual([BlkStatus.INVAL]);
    expect([rig.disk.log, rig.engine.keyed]).toEqual([[], []]);
  });

  it("[FB-22] a keyslot error is passed on: a wiped key", () => {
    const key = makeKey();
    rig = makeRig({}, key);
    key.wipe();
    expect(rig.write(pattern(512)).ends).toEqual([BlkStatus.IOERR]);
  });

  it("goes down and comes back when the device refuses it", () => {
    rig = makeRig();
    rig.disk.statuses.push(BlkStatus.NOSPC);
    expect(rig.write(pattern(512)).ends).toEqual([BlkStatus.NOSPC]);
    expect(rig.write(pattern(512), { sector: 1 << 20 }).ends).toEqual([BlkStatus.IOERR]);
  });
});

describe("when all bounces are in use", () => {
  it("[FB-27] largest writes make progress, each in its turn", () => {
    rig = makeRig({ bounceCount: 2 });
    rig.disk.synchronous = false;
    const ios = [0, 1, 2].map((nth) => rig.write(pattern(3 * MIB, nth), { sector: nth * 4096 }));
    const order: string[] = [];
    for (let ended = 0; ended < 9; ended++) {
      rig.executor.runUntilIdle();
      expect(rig.disk.taken.length).toBeLessThanOrEqual(2);
      order.push(String(rig.disk.taken[0]!.sector));
      rig.disk.complete(0);
    }
    expect(order).toEqual(["0", "2048", "4096", "4096", "6144", "8192", "8192", "10240", "12288"]);
    expect(ios.map((io) => io.ends)).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.OK]]);
  });

  it("small writes wait in order and read like any other", () => {
    rig = makeRig({ bounceCount: 1 });
    rig.disk.synchronous = false;
    const ios = [0, 1, 2, 3].map((nth) => rig.write(pattern(512, nth), { sector: nth, dun: BigInt(nth) }));
    expect(rig.disk.taken).toHaveLength(1);
    while (rig.disk.taken.length > 0) {
      rig.disk.complete(0);
      rig.executor.runUntilIdle();
    }
    expect(rig.disk.log).toEqual(["WRITE 0+1", "WRITE 1+1", "WRITE 2+1", "WRITE 3+1"]);
    expect(ios.every((io) => io.ends[0] === BlkStatus.OK)).toBe(true);
    expect(rig.stored(3, 512)).toEqual(ciphertextOf(pattern(512, 3), makeKey(), 3n));
  });

  it("a write that must not wait ends with AGAIN", () => {
    rig = makeRig({ bounceCount: 1 });
    rig.disk.synchronous = false;
    rig.write(pattern(512));
    expect(rig.write(pattern(512), { flags: ReqFlag.NOWAIT }).ends).toEqual([BlkStatus.AGAIN]);
    rig.disk.complete(0);
  });

  it("nobody encrypts in the completion context", () => {
    rig = makeRig({ bounceCount: 1 });
    rig.disk.synchronous = false;
    rig.write(pattern(512));
    rig.write(pattern(512));
    rig.disk.complete(0);
    expect(rig.engine.log).toHaveLength(1);
    rig.executor.runUntilIdle();
    expect(rig.engine.log).toHaveLength(2);
    rig.disk.complete(0);
  });

  it("a callback may submit the next write, for ever", () => {
    rig = makeRig({ bounceCount: 1 });
    let left = 5000;
    const next = (): void => {
      if (left-- > 0) rig.write(pattern(512), { onEnd: (_bio: Bio) => next() });
    };
    next();
    rig.executor.runUntilIdle();
    expect(rig.disk.log).toHaveLength(5000);
  });
});
