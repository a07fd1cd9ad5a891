import { BlkStatus, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { SimOffloadEngine } from "./sim-offload.ts";
import { ciphertextOf, expectNoLeaks, MODES, makeKey, makeRig, pattern, type Rig } from "./support.ts";

const MIB = 1 << 20;
let rig: Rig<SimOffloadEngine>;
afterEach(() => expectNoLeaks(rig));

const newRig = (options: Parameters<typeof makeRig>[0] = {}, key = makeKey()): Rig<SimOffloadEngine> =>
  makeRig({ ...options, engine: new SimOffloadEngine() }, key);

/** Puts the ciphertext of a pattern on the medium, made by the oracle. */
function store(sector: number, bytes: number, dun: bigint, key = makeKey()): Uint8Array {
  const data = pattern(bytes);
  rig.stored(sector, bytes).set(ciphertextOf(data, key, dun));
  return data;
}

describe("a large read", () => {
  it.each(MODES)("[FB-16] [FB-20] is decrypted off the event loop and then ends: %s", (mode) => {
    const key = makeKey(1, { mode, dataUnitBytes: 4096 });
    rig = newRig({}, key);
    const data = store(8, 8192, 77n, key);
    const memory = new Uint8Array(8192);
    const io = rig.read(memory, { sector: 8, dun: 77n });
    rig.executor.runUntilIdle();
    expect([io.ends, memory, rig.fallback.slotTable()[0]!.references]).toEqual([[], rig.stored(8, 8192), 1]);
    rig.engine.finish();
    expect([io.ends, memory]).toEqual([[BlkStatus.OK], data]);
  });

  it("[FB-18] is one request for all its vectors, from the bio's position on", () => {
    const key = makeKey();
    rig = newRig({}, key);
    const data = store(0, 8192, 0n);
    const memory = new Uint8Array(8192);
    const bio = rig.layer.bioSet.tryAlloc(rig.bdev, ReqOp.READ)!;
    for (const [from, to] of [
      [0, 1024],
      [1024, 3072],
      [3072, 8192],
    ] as const)
      bio.addBuffer(memory, from, to - from);
    bio.setCryptCtx(key, new Uint32Array(8));
    bio.advance(1536);
    rig.layer.submitBio(bio);
    rig.executor.runUntilIdle();
    rig.engine.finish();
    bio.put();
    expect(rig.engine.log).toEqual(["decrypt 6656 3"]);
    expect(memory.subarray(1536)).toEqual(data.subarray(1536));
    expect(memory.subarray(0, 1536)).toEqual(new Uint8Array(1536));
  });

  it("[FB-18] of more than 1 MiB is decrypted part by part, the last on the event loop if it is small", () => {
    const key = makeKey(1, { dataUnitBytes: 4096 });
    rig = newRig({}, key);
    rig.engine.threshold = 8192;
    const bytes = 2 * MIB + 4096;
    rig.engine.runOn(rig.executor, () => 1);
    rig.write(pattern(bytes), { dun: 7n });
    rig.executor.runUntilIdle();
    rig.engine.log.length = 0;
    const memory = new Uint8Array(bytes);
    const io = rig.read([memory.subarray(0, 12288), memory.subarray(12288)], { dun: 7n });
    rig.executor.runUntilIdle();
    expect(rig.engine.log).toEqual([`decrypt ${MIB} 7`, `decrypt ${MIB} 263`, "decrypt 4096 519"]);
    expect([io.ends, Buffer.compare(memory, pattern(bytes))]).toEqual([[BlkStatus.OK], 0]);
  });

  it("[FB-22] [API-15] may lose its key in its callback", async () => {
    const key = makeKey();
    rig = newRig({}, key);
    let evicted: Promise<void> | undefined;
    rig.read(new Uint8Array(4096), {
      onEnd: () => {
        evicted = blkCryptoEvictKey(rig.bdev, key);
        key.wipe();
      },
    });
    rig.executor.runUntilIdle();
    rig.engine.finish();
    await evicted;
    expect([rig.tracer.events, rig.engine.keyed]).toEqual([[], []]);
  });

  it.each(["fails", "is refused"])(
    "[FB-14] ends with IOERR when its computation %s; its memory is not half done",
    (how) => {
      rig = newRig();
      store(0, 4096, 0n);
      const memory = new Uint8Array(4096);
      const error = Object.assign(new Error("dead"), { code: "EIO" });
      if (how === "is refused") rig.engine.refusal = error;
      const io = rig.read(memory);
      rig.executor.runUntilIdle();
      if (how === "fails") rig.engine.finish(0, error);
      expect([io.ends, memory]).toEqual([[BlkStatus.IOERR], rig.stored(0, 4096)]);
      expect(rig.tracer.events).toEqual(['crypto_skcipher_decrypt {"error":"EIO"}']);
    },
  );

  it("is decrypted on the event loop when small, when the helper has no room, and when 16 others are not", () => {
    rig = newRig();
    rig.engine.room = 0;
    expect(readAll([4096])).toEqual([1]);
    rig.engine.room = 100;
    expect(readAll([3584, ...new Array(17).fill(4096)])).toEqual([1, ...new Array(16).fill(0), 1]);
    expect(rig.engine.pending).toHaveLength(16);
    while (rig.engine.pending.length > 0) rig.engine.finish();
  });

  /** How often each has ended. */
  function readAll(lengths: number[]): number[] {
    const ios = lengths.map((bytes) => rig.read(new Uint8Array(bytes)));
    rig.executor.runUntilIdle();
    return ios.map((io) => io.ends.length);
  }
});

describe("keyslots held over a computation", () => {
  it("[FB-5] [FB-22] reads of other keys wait for one; a refused key ends its read with INVAL", () => {
    const keys = [makeKey(1), makeKey(2), makeKey(3, { bytes: new Uint8Array(64) }), makeKey(4)];
    rig = newRig({ slotCount: 1 }, keys[0]);
    store(0, 4096, 0n, keys[1]);
    const memories = keys.map(() => new Uint8Array(4096));
    const ios = memories.map((memory, nth) =>
      rig.read(memory.subarray(0, nth === 3 ? 512 : 4096), { key: keys[nth]! }),
    );
    rig.executor.runUntilIdle();
    expect(ios.map((io) => io.ends.length)).toEqual([0, 0, 0, 0]);
    for (let nth = 0; nth < 2; nth++) {
      rig.engine.finish();
      rig.executor.runUntilIdle();
    }
    expect(ios.map((io) => io.ends)).toEqual([[BlkStatus.OK], [BlkStatus.OK], [BlkStatus.INVAL], [BlkStatus.OK]]);
    expect(memories[1]).toEqual(pattern(4096));
  });

  it("the fallback is not destroyed meanwhile", () => {
    rig = newRig();
    rig.read(new Uint8Array(4096));
    rig.executor.runUntilIdle();
    expect(() => rig.fallback[Symbol.dispose]()).toThrow(/while it has I\/O/);
    rig.engine.finish();
  });
});
