import { BlkStatus, BlockLayer } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { blkCryptoConfigSupported, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, describe, expect, it } from "vitest";
import { expectNoLeaks, MODES, makeKey, makeRig, pattern, type Rig, WatchedEngine } from "./support.ts";

let rig: Rig;
afterEach(() => expectNoLeaks(rig));

const write = (key = makeKey()): BlkStatus[] => rig.write(pattern(512), { key }).ends;

describe("starting a mode", () => {
  it("[FB-3] allocates one cipher for each keyslot, once, at the first start", () => {
    rig = makeRig({ slotCount: 7 }, null);
    expect(rig.engine.allocated).toEqual([]);
    blkCryptoStartUsingKey(rig.bdev, makeKey(1));
    expect(rig.engine.allocated).toHaveLength(7);
    blkCryptoStartUsingKey(rig.bdev, makeKey(2));
    expect(rig.engine.allocated).toHaveLength(7);
  });

  it("[FB-5] has 100 keyslots unless told otherwise, for raw keys with DUNs of up to 32 bytes", () => {
    const engine = new WatchedEngine();
    rig = makeRig();
    const fallback = new BlkCryptoFallback({ engine });
    new BlockLayer({ executor: rig.executor, cryptoFallback: fallback });
    expect(fallback.slotTable()).toHaveLength(100);
    fallback.startUsingKey(makeKey(1, { mode: "Adiantum", dunBytes: 32 }));
    expect(engine.allocated).toHaveLength(100);
  });

  it("[FB-7] I/O never allocates ciphers: a mode that was not started fails, and is traced", () => {
    rig = makeRig({}, null);
    expect(write()).toEqual([BlkStatus.IOERR]);
    expect(rig.read(new Uint8Array(512), { key: makeKey() }).ends).toEqual([BlkStatus.IOERR]);
    expect([rig.engine.allocated, rig.disk.log]).toEqual([[], []]);
    expect(rig.tracer.events[0]).toBe('blk_crypto_fallback_bio_prep {"modeNum":1,"error":"mode not started"}');
    blkCryptoStartUsingKey(rig.bdev, makeKey());
    const before = rig.engine.allocated.length;
    for (let seed = 0; seed < 10; seed++) expect(write(makeKey(seed))).toEqual([BlkStatus.OK]);
    expect(rig.engine.allocated).toHaveLength(before);
  });

  it("[FB-4] [API-10] a missing cipher is ENOPKG, and says which", () => {
    rig = makeRig({}, null);
    rig.engine.missing = "adiantum(xchacha12,aes)";
    const key = makeKey(1, { mode: "Adiantum" });
    expect(blkCryptoConfigSupported(rig.bdev, key)).toBe(true);
    expect(() => blkCryptoStartUsingKey(rig.bdev, key)).toThrow(
      expect.objectContaining({
        code: "ENOPKG",
        message: expect.stringContaining("Adiantum: no adiantum(xchacha12,aes)"),
        cause: expect.objectContaining({ code: "ENOENT" }),
      }),
    );
  });

  it("[FB-3] [FB-7] one mode does not start another", () => {
    rig = makeRig({ slotCount: 3 }, null);
    const keys = MODES.map((mode) => makeKey(1, { mode }));
    for (const [nth, key] of keys.entries()) {
      expect(write(key)).toEqual([BlkStatus.IOERR]);
      blkCryptoStartUsingKey(rig.bdev, key);
      expect(rig.engine.allocated.slice(3 * nth).map((cipher) => cipher.name)).toEqual(
        new Array(3).fill(key.mode.cipher),
      );
      expect(write(key)).toEqual([BlkStatus.OK]);
    }
  });

  it("[FB-4] a start that fails half-way leaves the mode unavailable, and may be tried again", () => {
    rig = makeRig({}, null);
    rig.engine.allocationsLeft = 3;
    expect(() => blkCryptoStartUsingKey(rig.bdev, makeKey())).toThrow(expect.objectContaining({ code: "ENOPKG" }));
    expect(write()).toEqual([BlkStatus.IOERR]);
    rig.engine.allocationsLeft = 4;
    blkCryptoStartUsingKey(rig.bdev, makeKey());
    expect(write()).toEqual([BlkStatus.OK]);
  });

  it.each([
    ["a hardware-wrapped key", { keyType: "hw-wrapped" as const }, /hw-wrapped/],
    ["data units above 64 KiB", { dataUnitBytes: 131072 }, /512 to 65536 bytes, not raw keys with 131072/],
    ["data units below a sector", { dataUnitBytes: 256 }, /256/],
  ])("[FB-8] [FB-26] refuses %s at start, and fails its I/O with NOTSUPP", (_what, options, message) => {
    rig = makeRig({}, null);
    const key = makeKey(1, options);
    expect(() => rig.fallback.startUsingKey(key)).toThrow(
      expect.objectContaining({ code: "EOPNOTSUPP", message: expect.stringMatching(message) }),
    );
    expect(write(key)).toEqual([BlkStatus.NOTSUPP]);
    expect(rig.disk.log).toEqual([]);
  });
});

describe("keyslots", () => {
  it("[FB-5] [INT-5] a key that has a slot is not programmed again; the one unused for longest makes room", () => {
    rig = makeRig({ slotCount: 2 });
    const [a, b, c] = [makeKey(1), makeKey(2), makeKey(3)];
    for (const key of [a, b, a, a, c, a]) write(key);
    expect(rig.fallback.slotTable().map((slot) => slot.programmings)).toEqual([1, 2]);
    write(b);
    expect(rig.fallback.slotTable().map((slot) => slot.programmings)).toEqual([1, 3]);
  });

  it("[FB-6] a slot that changes its mode forgets the key of the old one", () => {
    rig = makeRig({ slotCount: 1 }, null);
    const keys = MODES.map((mode) => makeKey(1, { mode }));
    for (const key of keys) blkCryptoStartUsingKey(rig.bdev, key);
    const keyed = (): string[] => rig.engine.keyed.map((index) => rig.engine.allocated[index]!.name);
    for (const key of [...keys, keys[0]!]) {
      expect(write(key)).toEqual([BlkStatus.OK]);
      expect(keyed()).toEqual([key.mode.cipher]);
    }
  });

  it("[FB-6] a slot whose new key is refused has forgotten the old one of another mode", () => {
    rig = makeRig({ slotCount: 1 }, null);
    const [good, weak] = [makeKey(1, { mode: "Adiantum" }), makeKey(1, { bytes: new Uint8Array(64) })];
    for (const key of [good, weak]) blkCryptoStartUsingKey(rig.bdev, key);
    expect([...write(good), ...write(weak)]).toEqual([BlkStatus.OK, BlkStatus.INVAL]);
    expect(rig.engine.keyed).toEqual([]);
    expect(write(good)).toEqual([BlkStatus.OK]);
  });

  it.each(["has equal halves", "was wiped"])("[FB-6] a key that %s leaves none in its slot", (what) => {
    rig = makeRig({ slotCount: 1 });
    write();
    const key = makeKey(1, { bytes: new Uint8Array(64) });
    if (what === "was wiped") key.wipe();
    expect(write(key)).toEqual([what === "was wiped" ? BlkStatus.IOERR : BlkStatus.INVAL]);
    expect(rig.engine.keyed).toEqual([]);
    expect(rig.fallback.slotTable()[0]!.key).toBeNull();
  });

  it("[API-13] an evicted key is in no cipher", async () => {
    const key = makeKey();
    rig = makeRig({}, key);
    write(key);
    expect(rig.engine.keyed).toHaveLength(1);
    await blkCryptoEvictKey(rig.bdev, key);
    expect([rig.engine.keyed, rig.fallback.slotTable()[0]!.key]).toEqual([[], null]);
  });

  it("[FB-25] evicting a key from a fallback nobody started, or nobody has, is quiet", async () => {
    rig = makeRig({}, null);
    await blkCryptoEvictKey(rig.bdev, makeKey());
    await new BlkCryptoFallback({ engine: rig.engine }).evictKey(makeKey());
    expect(rig.tracer.events).toEqual([]);
  });
});

describe("the fallback itself", () => {
  it("serves one block layer, and nothing before it has one", () => {
    rig = makeRig();
    expect(() => new BlockLayer({ executor: rig.executor, cryptoFallback: rig.fallback })).toThrow(/one block layer/);
    const loose = new BlkCryptoFallback({ engine: rig.engine });
    expect(() => loose.startUsingKey(makeKey())).toThrow(/before a block layer/);
    expect(loose.slotTable()).toEqual([]);
    loose[Symbol.dispose]();
  });

  it("is destroyed only without I/O, and then holds no key; modes have to be started again", () => {
    rig = makeRig();
    rig.disk.synchronous = false;
    rig.write(pattern(512));
    expect(() => rig.fallback[Symbol.dispose]()).toThrow(/while it has I\/O/);
    rig.disk.complete(0);
    rig.read(new Uint8Array(512));
    expect(() => rig.fallback[Symbol.dispose]()).toThrow(/while it has I\/O/);
    rig.disk.complete(0);
    rig.executor.runUntilIdle();
    expect(rig.engine.keyed).toHaveLength(1);
    rig.fallback[Symbol.dispose]();
    expect(rig.engine.keyed).toEqual([]);
    expect(write()).toEqual([BlkStatus.IOERR]);
  });

  it.each(["slotCount", "bounceCount", "readCount"])("refuses a %s below 1", (name) => {
    rig = makeRig();
    for (const count of [0, -1, 1.5]) {
      expect(() => new BlkCryptoFallback({ engine: rig.engine, [name]: count })).toThrow(
        expect.objectContaining({ code: "EINVAL", message: expect.stringContaining(`${name} is ${count}`) }),
      );
    }
  });
});
