import { BlkStatus, ReqFlag } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { SimOffloadEngine } from "./sim-offload.ts";
import { ciphertextOf, expectNoLeaks, MODES, makeKey, makeRig, pattern, type Rig } from "./support.ts";

const MIB = 1 << 20;
let rig: Rig<SimOffloadEngine>;
afterEach(() => expectNoLeaks(rig));

const newRig = (options: Parameters<typeof makeRig>[0] = {}, key = makeKey()): Rig<SimOffloadEngine> =>
  makeRig({ ...options, engine: new SimOffloadEngine() }, key);

/** References of each keyslot whenever a bio goes down. */
function referencesAtSubmission(): number[][] {
  const seen: number[][] = [];
  rig.layer.tracepoints.blockBioQueue.subscribe(() => {
    seen.push(rig.fallback.slotTable().map((slot) => slot.references));
  });
  return seen;
}

describe("a large write", () => {
  it.each(MODES)("[FB-9] [FB-20] is encrypted off the event loop, in bounce memory: %s", (mode) => {
    const key = makeKey(1, { mode, dataUnitBytes: 4096 });
    rig = newRig({}, key);
    const data = pattern(8192);
    const io = rig.write(data, { sector: 8, dun: 77n });
    expect([rig.engine.pending.length, rig.disk.log, io.ends]).toEqual([1, [], []]);
    expect(rig.engine.pending[0]!.request.memory!.bytes.buffer).not.toBe(data.buffer);
    rig.engine.finish();
    expect([io.ends, rig.disk.log]).toEqual([[BlkStatus.OK], ["WRITE 8+16"]]);
    expect(data).toEqual(pattern(8192));
    expect(rig.stored(8, 8192)).toEqual(ciphertextOf(data, key, 77n));
  });

  it("[FB-10] is one request and one bounce bio, however many vectors it has", () => {
    rig = newRig();
    rig.disk.synchronous = false;
    const data = pattern(8192);
    rig.write([data.subarray(0, 512), data.subarray(512, 4608), data.subarray(4608)], { dun: 5n });
    rig.engine.finish();
    expect(rig.engine.log).toEqual(["encrypt 8192 5"]);
    const bounce = rig.disk.taken[0]!;
    expect(bounce.vecs.slice(0, bounce.vecCount).map((vec) => vec.bytes)).toEqual([512, 4096, 3584]);
    rig.disk.complete(0);
    expect(rig.stored(0, 8192)).toEqual(ciphertextOf(data, makeKey(), 5n));
  });

  it("[FB-26] may have data units spread over segments", () => {
    const key = makeKey(1, { dataUnitBytes: 65536 });
    rig = newRig({}, key);
    const data = pattern(MIB + 131072);
    rig.write([data.subarray(0, 4096), data.subarray(4096)], { dun: 5n });
    rig.executor.runUntilIdle();
    expect(rig.engine.pending.map(({ request }) => request.dun[0])).toEqual([5, 21]);
    for (const index of [1, 0]) rig.engine.finish(index);
    expect(Buffer.compare(rig.stored(2048, 131072), ciphertextOf(data.subarray(MIB), key, 21n))).toBe(0);
  });

  it("[FB-22] [FB-23] holds its keyslot while it is computed, and no longer when its bounce goes down", () => {
    rig = newRig();
    const seen = referencesAtSubmission();
    rig.write(pattern(4096));
    expect(rig.fallback.slotTable()[0]!.references).toBe(1);
    rig.engine.finish();
    expect(seen).toEqual([[0, 0, 0, 0]]);
  });

  it("[FB-11] of several bounces has them computed side by side and ends once, after the last", () => {
    const key = makeKey(1, { dataUnitBytes: 4096 });
    rig = newRig({}, key);
    const data = pattern(2 * MIB + 8192);
    const io = rig.write(data, { sector: 16, dun: 9n });
    rig.executor.runUntilIdle();
    expect(rig.engine.pending.map(({ request }) => [request.bytes, request.dun[0]])).toEqual([
      [MIB, 9],
      [MIB, 265],
      [8192, 521],
    ]);
    for (const index of [2, 0]) rig.engine.finish(index);
    expect([io.ends, rig.disk.log]).toEqual([[], ["WRITE 4112+16", "WRITE 16+2048"]]);
    rig.engine.finish();
    expect(io.ends).toEqual([BlkStatus.OK]);
    expect(rig.stored(4112, 8192)).toEqual(ciphertextOf(data.subarray(2 * MIB), key, 521n));
    expect(rig.stored(2064, 4096)).toEqual(ciphertextOf(data.subarray(MIB, MIB + 4096), key, 265n));
  });

  it("[FB-23] may lose its key in the callback of its last bounce", async () => {
    const key = makeKey();
    rig = newRig({}, key);
    let evicted: Promise<void> | undefined;
    rig.write(pattern(2 * MIB), {
      onEnd: () => {
        evicted = blkCryptoEvictKey(rig.bdev, key);
        key.wipe();
      },
    });
    rig.executor.runUntilIdle();
    for (const index of [1, 0]) rig.engine.finish(index);
    await evicted;
    expect([rig.tracer.events, rig.engine.keyed]).toEqual([[], []]);
  });
});

describe("what stays on the event loop", () => {
  it("is what is small, and what the helper has no room for", () => {
    rig = newRig();
    rig.engine.room = 1;
    const ios = [3584, 4096, 4096].map((bytes, nth) => rig.write(pattern(bytes), { sector: 8 * nth }));
    expect(ios.map((io) => io.ends.length)).toEqual([1, 0, 1]);
    rig.engine.finish();
    for (const nth of [1, 2]) expect(rig.stored(8 * nth, 4096)).toEqual(ciphertextOf(pattern(4096), makeKey(), 0n));
  });
});

describe("a large write that fails", () => {
  it("[FB-14] ends with IOERR, says why, gives back all it took and leaves no plaintext behind", () => {
    rig = newRig({ bounceCount: 1 });
    for (let again = 0; again < 2; again++) {
      const io = rig.write(pattern(4096));
      rig.engine.finish(0, Object.assign(new Error("the helper died"), { code: "EIO" }));
      expect([io.ends, rig.disk.log]).toEqual([[BlkStatus.IOERR], []]);
    }
    expect(rig.tracer.events).toEqual(new Array(2).fill('crypto_skcipher_encrypt {"error":"EIO"}'));
    expect(rig.engine.memories.map((memory) => memory.bytes.some((byte) => byte !== 0))).toEqual([false]);
  });

  it("[FB-14] ends with IOERR when the helper refuses it", () => {
    rig = newRig();
    rig.engine.refusal = Object.assign(new Error("no"), { code: "EINVAL" });
    expect(rig.write(pattern(4096)).ends).toEqual([BlkStatus.IOERR]);
    expect(rig.tracer.events).toEqual(['crypto_skcipher_encrypt {"error":"EINVAL"}']);
    rig.engine.refusal = new Error("no code");
    const io = rig.write(pattern(2 * MIB));
    rig.executor.runUntilIdle();
    rig.engine.finish();
    expect([io.ends, rig.disk.log]).toEqual([[BlkStatus.IOERR], ["WRITE 2048+2048"]]);
  });

  it("[FB-12] [FB-14] ends with its first error, after all its bounces", () => {
    rig = newRig();
    rig.disk.synchronous = false;
    const io = rig.write(pattern(4 * MIB));
    rig.executor.runUntilIdle();
    rig.engine.finish();
    rig.engine.finish();
    rig.disk.statuses.push(BlkStatus.MEDIUM, BlkStatus.TIMEOUT, BlkStatus.OK);
    rig.disk.complete(0);
    rig.engine.finish(0, new Error("dead"));
    rig.disk.complete(0);
    rig.engine.finish();
    expect(io.ends).toEqual([]);
    rig.disk.complete(0);
    expect(io.ends).toEqual([BlkStatus.MEDIUM]);
  });
});

describe("keyslots held over a computation", () => {
  it("[FB-5] other keys wait for one, small writes too, and each gets its turn", () => {
    const keys = [makeKey(1), makeKey(2), makeKey(3)];
    rig = newRig({ slotCount: 1 }, keys[0]);
    const ios = keys.map((key, nth) => rig.write(pattern(nth === 1 ? 512 : 4096), { key, sector: 16 * nth }));
    rig.executor.runUntilIdle();
    expect([rig.engine.pending.length, ios.map((io) => io.ends)]).toEqual([1, [[], [], []]]);
    rig.engine.finish();
    rig.executor.runUntilIdle();
    expect(ios.map((io) => io.ends.length)).toEqual([1, 1, 0]);
    rig.engine.finish();
    expect(ios.map((io) => io.ends)).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.OK]]);
    expect(rig.fallback.slotTable()[0]!.programmings).toBe(3);
    expect(rig.stored(32, 4096)).toEqual(ciphertextOf(pattern(4096), keys[2]!, 0n));
  });

  it("[FB-5] I/O with the key that is in the slot does not wait", () => {
    rig = newRig({ slotCount: 1 });
    rig.write(pattern(4096));
    expect(rig.write(pattern(512), { sector: 64 }).ends).toEqual([BlkStatus.OK]);
    rig.write(pattern(4096));
    expect(rig.engine.pending).toHaveLength(2);
    for (const index of [1, 0]) rig.engine.finish(index);
  });

  it("[FB-5] [FB-11] a write of several bounces waits for each of them, and is done in order", () => {
    const [a, b] = [makeKey(1), makeKey(2)];
    rig = newRig({ slotCount: 1 }, a);
    rig.engine.threshold = 4096;
    rig.write(pattern(4096), { key: a });
    const io = rig.write(pattern(2 * MIB + 512), { key: b, sector: 64 });
    rig.executor.runUntilIdle();
    expect(rig.engine.pending).toHaveLength(1);
    rig.engine.finish();
    rig.executor.runUntilIdle();
    expect(rig.engine.pending).toHaveLength(2);
    expect(rig.disk.log).toEqual(["WRITE 0+8", "WRITE 4160+1"]);
    for (const index of [1, 0]) rig.engine.finish(index);
    expect(io.ends).toEqual([BlkStatus.OK]);
    expect(rig.stored(64 + 4096, 512)).toEqual(ciphertextOf(pattern(2 * MIB + 512).subarray(2 * MIB), b, 4096n));
  });

  it("[FB-22] [FB-24] a key that is refused after the wait ends its write with INVAL, and the slot goes on", () => {
    const weak = makeKey(1, { bytes: new Uint8Array(64) });
    rig = newRig({ slotCount: 1 });
    rig.write(pattern(4096));
    const refused = rig.write(pattern(2 * MIB), { key: weak, sector: 64 });
    const next = rig.write(pattern(512), { key: makeKey(5), sector: 8 });
    rig.engine.finish();
    rig.executor.runUntilIdle();
    expect([refused.ends, next.ends, rig.disk.log]).toEqual([
      [BlkStatus.INVAL],
      [BlkStatus.OK],
      ["WRITE 0+8", "WRITE 8+1"],
    ]);
  });

  it("[FB-27] largest writes make progress with one bounce, one slot and two keys", () => {
    const keys = [makeKey(1), makeKey(2)];
    rig = newRig({ slotCount: 1, bounceCount: 1 }, keys[0]);
    rig.engine.runOn(rig.executor, () => 1);
    const ios = [0, 1, 0, 1].map((which, nth) => rig.write(pattern(2 * MIB), { key: keys[which]!, sector: 8 * nth }));
    rig.executor.runUntilIdle();
    expect(ios.map((io) => io.ends)).toEqual(ios.map(() => [BlkStatus.OK]));
  });

  it("a write that must not wait waits for no bounce, but for a keyslot, as in a device's queue", () => {
    rig = newRig({ slotCount: 1, bounceCount: 2 });
    const large = rig.write(pattern(4096));
    const small = rig.write(pattern(512), { key: makeKey(2), sector: 64, flags: ReqFlag.NOWAIT });
    expect(rig.write(pattern(512), { flags: ReqFlag.NOWAIT }).ends).toEqual([BlkStatus.AGAIN]);
    rig.engine.finish();
    rig.executor.runUntilIdle();
    expect([large.ends, small.ends]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
  });

  it("[PROF-22] evicting a key that computes is traced, and takes nothing away from the computation", async () => {
    const key = makeKey();
    rig = newRig({ slotCount: 1 }, key);
    const io = rig.write(pattern(4096));
    await blkCryptoEvictKey(rig.bdev, key);
    key.wipe();
    expect(rig.tracer.events).toEqual(['blk_crypto_evict_key {"slotIndex":0,"error":"EBUSY"}']);
    const other = rig.write(pattern(512), { key: makeKey(2), sector: 64 });
    rig.executor.runUntilIdle();
    expect(other.ends).toEqual([]);
    rig.engine.finish();
    rig.executor.runUntilIdle();
    expect([io.ends, other.ends]).toEqual([[BlkStatus.OK], [BlkStatus.OK]]);
    expect(rig.stored(0, 4096)).toEqual(ciphertextOf(pattern(4096), makeKey(), 0n));
    expect(rig.fallback.slotTable()[0]!.programmings).toBe(2);
  });

  it("the fallback is not destroyed meanwhile", () => {
    rig = newRig({ slotCount: 1 });
    rig.write(pattern(4096));
    expect(() => rig.fallback[Symbol.dispose]()).toThrow(/while it has I\/O/);
    rig.engine.finish();
  });
});
