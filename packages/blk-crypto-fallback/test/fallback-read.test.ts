import { type Bio, BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { ciphertextOf, expectNoLeaks, MODES, makeKey, makeRig, pattern, type Rig } from "./support.ts";

let rig: Rig;
afterEach(() => expectNoLeaks(rig));

/** Puts the ciphertext of a pattern on the medium, made by the oracle. */
function store(sector: number, bytes: number, dun: bigint, key = makeKey()): Uint8Array {
  const data = pattern(bytes);
  rig.stored(sector, bytes).set(ciphertextOf(data, key, dun));
  return data;
}

describe("reading", () => {
  it.each([512, 4096, 65536])("[FB-20] [INT-10] decrypts what the oracle encrypted: data units of %i", (bytes) => {
    const key = makeKey(2, { dataUnitBytes: bytes });
    rig = makeRig({}, key);
    const data = store(24, 2 * bytes, 2n ** 64n - 1n, key);
    const memory = new Uint8Array(2 * bytes);
    const io = rig.read(memory, { sector: 24, dun: 2n ** 64n - 1n });
    rig.executor.runUntilIdle();
    expect(io.ends).toEqual([BlkStatus.OK]);
    expect(memory).toEqual(data);
  });

  it.each(MODES)("[FB-20] decrypts what the oracle encrypted in every mode: %s", (mode) => {
    const key = makeKey(2, { mode, dataUnitBytes: 1024 });
    rig = makeRig({}, key);
    const dun = 2n ** BigInt(8 * key.dunBytes) - 4n;
    const data = store(24, 4096, dun, key);
    const memory = new Uint8Array(4096);
    rig.read([memory.subarray(0, 1024), memory.subarray(1024)], { sector: 24, dun });
    rig.executor.runUntilIdle();
    expect(memory).toEqual(data);
  });

  it("[FB-26] decrypts data units spread over segments of whole pages, 1 MiB at a time", () => {
    const key = makeKey(2, { dataUnitBytes: 65536 });
    rig = makeRig({}, key);
    const bytes = (1 << 20) + 131072;
    rig.write(pattern(bytes), { dun: 9n });
    rig.executor.runUntilIdle();
    rig.engine.log.length = 0;
    const memory = new Uint8Array(bytes);
    const io = rig.read([memory.subarray(0, 4096), memory.subarray(4096, 73728), memory.subarray(73728)], { dun: 9n });
    rig.executor.runUntilIdle();
    expect([io.ends, Buffer.compare(memory, pattern(bytes))]).toEqual([[BlkStatus.OK], 0]);
    expect(rig.engine.log).toEqual(["decrypt 1048576 9", "decrypt 131072 25"]);
  });

  it("[FB-14] [FB-26] ends with IOERR when the cipher fails at a data unit spread over segments", () => {
    rig = makeRig({}, makeKey(2, { dataUnitBytes: 8192 }));
    rig.engine.callsLeft = 0;
    const io = rig.read([new Uint8Array(4096), new Uint8Array(4096)]);
    rig.executor.runUntilIdle();
    expect(io.ends).toEqual([BlkStatus.IOERR]);
  });

  it("[FB-15] [FB-19] the device sees the same bio, hooked, without context and marked as ciphertext", () => {
    rig = makeRig();
    rig.disk.synchronous = false;
    const seen: Bio[] = [];
    rig.read(new Uint8Array(512), { onEnd: (bio) => seen.push(bio) });
    const down = rig.disk.taken[0]!;
    expect(down).toMatchObject({ cryptCtx: null, opf: ReqOp.READ | ReqFlag.SKIP_DM_DEFAULT_KEY });
    rig.disk.complete(0);
    rig.executor.runUntilIdle();
    expect(seen[0]).toBe(down);
  });

  it("[FB-16] flags, callback and private pointer are back before the data is decrypted, outside the completion", () => {
    rig = makeRig();
    rig.disk.synchronous = false;
    const data = store(0, 1024, 0n);
    const memory = new Uint8Array(1024);
    const bio = rig.layer.bioSet.tryAlloc(rig.bdev, ReqOp.READ)!;
    bio.addBuffer(memory);
    bio.setCryptCtx(makeKey(), new Uint32Array(8));
    const { opf } = bio;
    const privateData = {};
    const ends: unknown[] = [];
    const onEndIo = (ended: Bio): void => void ends.push(ended.privateData);
    bio.onEndIo = onEndIo;
    bio.privateData = privateData;
    let restored = false;
    rig.engine.onCall = () => {
      restored = bio.opf === opf && bio.onEndIo === onEndIo && bio.privateData === privateData;
    };
    rig.layer.submitBio(bio);
    expect(bio.onEndIo).not.toBe(onEndIo);
    rig.disk.complete(0);
    expect([memory.slice(), ends]).toEqual([rig.stored(0, 1024), []]);
    rig.executor.runUntilIdle();
    expect([memory, ends, restored]).toEqual([data, [privateData], true]);
    bio.put();
  });

  it("[FB-17] a read that failed is not decrypted and ends with the device's status, at once", () => {
    rig = makeRig();
    rig.disk.statuses.push(BlkStatus.MEDIUM);
    const memory = pattern(512, 5);
    const io = rig.read(memory);
    expect([io.ends, memory, rig.engine.log]).toEqual([[BlkStatus.MEDIUM], pattern(512, 5), []]);
  });

  it("[FB-18] decrypts what was submitted, however the layers below split it", () => {
    rig = makeRig({ mq: { limits: { maxSectors: 3, maxSegments: 2 } } });
    const data = store(10, 8192, 4n);
    const memory = new Uint8Array(8192);
    const io = rig.read([memory.subarray(0, 512), memory.subarray(512, 5632), memory.subarray(5632)], {
      sector: 10,
      dun: 4n,
    });
    rig.executor.runUntilIdle();
    expect(rig.disk.log.length).toBeGreaterThan(5);
    expect([io.ends, memory]).toEqual([[BlkStatus.OK], data]);
  });

  it("[FB-18] begins at the bio's position and leaves the memory before it alone", () => {
    const key = makeKey();
    rig = makeRig({}, key);
    const data = store(0, 2048, 0n);
    const memory = new Uint8Array(2048);
    const bio = rig.layer.bioSet.tryAlloc(rig.bdev, ReqOp.READ)!;
    bio.addBuffer(memory);
    bio.setCryptCtx(key, new Uint32Array(8));
    bio.advance(1024);
    rig.layer.submitBio(bio);
    rig.executor.runUntilIdle();
    bio.put();
    expect(memory.subarray(1024)).toEqual(data.subarray(1024));
    expect(memory.subarray(0, 1024)).toEqual(new Uint8Array(1024));
  });

  it("ends its parent when it is one of a chain", () => {
    const key = makeKey();
    rig = makeRig({}, key);
    const data = store(0, 1024, 0n);
    const memory = new Uint8Array(1024);
    const ends: BlkStatus[] = [];
    const parent = rig.layer.bioSet.tryAlloc(rig.bdev, ReqOp.READ)!;
    parent.addBuffer(memory);
    parent.setCryptCtx(key, new Uint32Array(8));
    parent.onEndIo = () => ends.push(parent.status);
    const front = rig.layer.bioSet.trySplit(parent, 512)!;
    parent.chain(front);
    rig.layer.submitBio(parent);
    rig.layer.submitBio(front);
    expect(ends).toEqual([]);
    rig.executor.runUntilIdle();
    expect([ends, memory]).toEqual([[BlkStatus.OK], data]);
    parent.put();
  });

  it("decrypts one bio a turn", () => {
    rig = makeRig();
    for (let nth = 0; nth < 3; nth++) rig.read(new Uint8Array(512));
    rig.executor.runOne();
    expect(rig.engine.log).toHaveLength(1);
    rig.executor.runUntilIdle();
    expect(rig.engine.log).toHaveLength(3);
  });

  it("[FB-22] [API-15] its key may be evicted and wiped in the callback", async () => {
    const key = makeKey();
    rig = makeRig({}, key);
    let evicted: Promise<void> | undefined;
    rig.read(new Uint8Array(512), {
      onEnd: () => {
        evicted = blkCryptoEvictKey(rig.bdev, key);
        key.wipe();
      },
    });
    rig.executor.runUntilIdle();
    await evicted;
    expect([rig.tracer.events, rig.engine.keyed]).toEqual([[], []]);
  });
});

describe("a read that cannot be decrypted", () => {
  it("[FB-13] [INT-9] is refused when its memory is not whole data units", () => {
    rig = makeRig();
    const io = rig.read([new Uint8Array(256), new Uint8Array(256)]);
    rig.executor.runUntilIdle();
    expect([io.ends, rig.engine.log]).toEqual([[BlkStatus.INVAL], []]);
  });

  it("[FB-14] ends with IOERR when the cipher fails", () => {
    rig = makeRig();
    rig.engine.callsLeft = 0;
    const io = rig.read(new Uint8Array(512));
    rig.executor.runUntilIdle();
    expect(io.ends).toEqual([BlkStatus.IOERR]);
    expect(rig.tracer.events).toEqual(['crypto_skcipher_decrypt {"error":"EIO"}']);
  });

  it("[FB-22] [FB-24] ends with the keyslot's status when its key is refused", () => {
    rig = makeRig({}, makeKey(1, { bytes: new Uint8Array(64) }));
    const io = rig.read(new Uint8Array(512));
    rig.executor.runUntilIdle();
    expect(io.ends).toEqual([BlkStatus.INVAL]);
  });
});

describe("when no more reads may be in flight", () => {
  it("further ones wait in order", () => {
    rig = makeRig({ readCount: 2 });
    rig.disk.synchronous = false;
    const memories = [0, 1, 2, 3, 4].map(() => new Uint8Array(512));
    const data = store(0, 5 * 512, 0n);
    const ios = memories.map((memory, nth) => rig.read(memory, { sector: nth, dun: BigInt(nth) }));
    for (let ended = 0; ended < 5; ended++) {
      expect(rig.disk.taken.length).toBeLessThanOrEqual(2);
      rig.disk.complete(0);
      rig.executor.runUntilIdle();
    }
    expect(rig.disk.log).toEqual([0, 1, 2, 3, 4].map((sector) => `READ ${sector}+1`));
    expect(ios.map((io) => io.ends)).toEqual(ios.map(() => [BlkStatus.OK]));
    expect(Buffer.concat(memories).equals(data)).toBe(true);
  });

  it("those who come later stand in line, even when a read has just ended", () => {
    rig = makeRig({ readCount: 1 });
    rig.disk.synchronous = false;
    rig.read(new Uint8Array(512));
    rig.read(new Uint8Array(512), { sector: 1 });
    rig.disk.statuses.push(BlkStatus.MEDIUM);
    rig.disk.complete(0);
    rig.read(new Uint8Array(512), { sector: 2 });
    while (!rig.executor.isIdle || rig.disk.taken.length > 0) {
      rig.executor.runUntilIdle();
      rig.disk.complete(0);
      rig.executor.runUntilIdle();
    }
    expect(rig.disk.log).toEqual(["READ 0+1", "READ 1+1", "READ 2+1"]);
  });

  it("one that must not wait ends with AGAIN", () => {
    rig = makeRig({ readCount: 1 });
    rig.disk.synchronous = false;
    rig.read(new Uint8Array(512));
    expect(rig.read(new Uint8Array(512), { flags: ReqFlag.NOWAIT }).ends).toEqual([BlkStatus.AGAIN]);
    rig.disk.complete(0);
    rig.executor.runUntilIdle();
  });
});
