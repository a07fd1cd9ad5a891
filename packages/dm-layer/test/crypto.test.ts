import { BlkBug, BlkStatus, type BlockDevice, dunToBigInt, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey, blkCryptoProfileOf } from "@inlinecrypt/blk-crypto-profile";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MapResult } from "../src/index.js";
import { type CryptoDisk, CryptoRig, ciphertext, cryptBio, cryptoDisk, newKey } from "./crypto-support.js";
import { HoldingTarget } from "./holding-target.js";
import { pattern, read } from "./support.js";

let rig: CryptoRig;
beforeEach(() => {
  rig = new CryptoRig();
});
afterEach(() => rig.close());

describe("contexts on their way", () => {
  let a: CryptoDisk;
  let b: CryptoDisk;
  beforeEach(() => {
    a = cryptoDisk(rig, "a");
    b = cryptoDisk(rig, "b");
  });

  it("[DM-10] a bio over two targets becomes two clones whose DUNs continue", async () => {
    const { bdev } = await rig.create("0 64 linear a 100\n64 64 linear b 7");
    const key = newKey();
    const data = pattern(32 * 512);
    const write = cryptBio(rig, bdev, ReqOp.WRITE, 56, data, key, (1n << 32n) - 4n).submit();
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    const expected = ciphertext(data, key, (1n << 32n) - 4n);
    expect(read(a.disk, 156, 8 * 512)).toEqual(expected.subarray(0, 8 * 512));
    expect(read(b.disk, 7, 24 * 512)).toEqual(expected.subarray(8 * 512));
    const back = new Uint8Array(data.length);
    cryptBio(rig, bdev, ReqOp.READ, 56, back, key, (1n << 32n) - 4n).submit();
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
  });

  it("[DM-11] what is left of a bio comes back with its context advanced", async () => {
    const holding = new HoldingTarget();
    holding.maxIoSectors = 8;
    rig.dm.registerTarget(holding);
    const { bdev } = await rig.create("0 64 holding a 0");
    cryptBio(rig, bdev, ReqOp.WRITE, 4, pattern(16 * 512), newKey(), 10n).submit();
    rig.executor.runUntilIdle();
    expect(holding.seen.map(({ sector, dun }) => [sector, dun])).toEqual([
      [4, 10],
      [8, 14],
      [16, 22],
    ]);
  });

  it("[DM-12] parts given back by a target come again with the DUN they had", async () => {
    const holding = new HoldingTarget();
    holding.maxIoSectors = 8;
    rig.dm.registerTarget(holding);
    const device = await rig.create("0 64 holding a 0");
    holding.answer = MapResult.SUBMITTED;
    const key = newKey();
    const data = pattern(32 * 512);
    const dun = (1n << 64n) - 4n;
    const write = cryptBio(rig, device.bdev, ReqOp.WRITE, 4, data, key, dun).submit();
    const suspended = device.suspend({ noflush: true });
    await new Promise((resolve) => setImmediate(resolve));
    for (const io of holding.held) io.end(BlkStatus.DM_REQUEUE);
    await rig.run(suspended);
    await device.load("0 64 linear b 0");
    await rig.run(device.resume());
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(read(b.disk, 4, data.length)).toEqual(ciphertext(data, key, dun));
  });

  it("[DM-13] the flush in front of encrypted data has no context, the data keeps it", async () => {
    const cached = rig.sim("cached", { writeCache: true });
    const { profile } = a;
    cached.queue.registerCryptoProfile(profile);
    const holding = new HoldingTarget();
    rig.dm.registerTarget(holding);
    const { bdev } = await rig.create("0 64 holding cached 0");
    holding.answer = MapResult.KILL;
    const { bio } = cryptBio(rig, bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, pattern(512), newKey(), 9n).submit();
    expect(bio.status).toBe(BlkStatus.IOERR);
    holding.answer = MapResult.SUBMITTED;
    const write = cryptBio(rig, bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, pattern(512), newKey(), 9n).submit();
    holding.held.shift()!.end(BlkStatus.OK);
    holding.held.shift()!.end(BlkStatus.OK);
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(holding.seen.map(({ sectors, dun }) => [sectors, dun])).toEqual([
      [0, null],
      [0, null],
      [1, 9],
    ]);
  });

  it("[DM-14] sectors are remapped, the DUN is not: the same data is the same ciphertext anywhere below", async () => {
    await rig.create("0 64 linear a 8\n", "first");
    await rig.create("0 64 linear a 1000", "second");
    const key = newKey(3, { dataUnitBytes: 4096 });
    const data = pattern(8192);
    for (const name of ["first", "second"]) {
      cryptBio(rig, rig.dm.get(name).bdev, ReqOp.WRITE, 16, data, key, 77n).submit();
    }
    rig.executor.runUntilIdle();
    const expected = ciphertext(data, key, 77n);
    expect(read(a.disk, 24, 8192)).toEqual(expected);
    expect(read(a.disk, 1016, 8192)).toEqual(expected);
  });

  it("[DM-15] the device below encrypts, in a keyslot of its own", async () => {
    const { bdev } = await rig.create("0 64 linear a 0");
    const key = newKey();
    let slot: unknown = null;
    rig.layer.tracepoints.blockRqIssue.subscribe((rq) => {
      slot = rq.cryptKeyslot;
    });
    cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    rig.executor.runUntilIdle();
    expect(slot).not.toBeNull();
    expect(a.slots[0]).toBe(key);
    expect(rig.fallback.served).toEqual([]);
  });

  it("[DM-16] where the table cannot, the fallback runs above: dm and all below see plain bios", async () => {
    const plain = rig.sim("plain");
    const { bdev } = await rig.create("0 64 linear a 0\n64 64 linear plain 0");
    const contexts: string[] = [];
    rig.layer.tracepoints.blockBioQueue.subscribe((bio) => contexts.push(`${bio.bdev!.name} ${bio.cryptCtx !== null}`));
    const key = newKey();
    const data = pattern(16 * 512);
    const write = cryptBio(rig, bdev, ReqOp.WRITE, 56, data, key, 0n).submit();
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(rig.fallback.served).toEqual(["dm"]);
    expect(contexts).toEqual(["dm false", "a false", "plain false"]);
    const expected = ciphertext(data, key, 0n);
    expect(read(a.disk, 56, 8 * 512)).toEqual(expected.subarray(0, 8 * 512));
    expect(read(plain, 0, 8 * 512)).toEqual(expected.subarray(8 * 512));
    expect(a.log).toEqual([]);
  });
});

describe("eviction", () => {
  const use = (name: string, key: ReturnType<typeof newKey>, sectorCount = 64) => {
    const bios = [];
    for (let sector = 0; sector < sectorCount; sector += 8) {
      bios.push(cryptBio(rig, rig.dm.get(name).bdev, ReqOp.WRITE, sector, pattern(4096), key, 0n).submit());
    }
    rig.executor.runUntilIdle();
    expect(new Set(bios.flatMap(({ ends }) => ends))).toEqual(new Set([BlkStatus.OK]));
  };

  it("[DM-20] reaches every device of every target of the live table, whatever fails on the way", async () => {
    const disks = [
      cryptoDisk(rig, "a", { evictFails: true }),
      cryptoDisk(rig, "b"),
      cryptoDisk(rig, "c", { evictFails: true }),
      cryptoDisk(rig, "d"),
    ];
    const device = await rig.create("0 32 linear a 0\n32 32 striped 2 8 b 0 c 0\n64 8 linear d 0");
    const key = newKey();
    use("dm", key, 72);
    expect(disks.map(({ slots }) => slots[0])).toEqual([key, key, key, key]);
    await rig.run(blkCryptoEvictKey(device.bdev, key));
    expect(disks.map(({ log }) => log.at(-1))).toEqual(["evict 0", "evict 0", "evict 0", "evict 0"]);
    expect(disks.map(({ profile }) => profile.slotTable()[0]!.key)).toEqual([null, null, null, null]);
  });

  it("[DM-21] without a live table it succeeds, and the device is as usable as before", async () => {
    const { log } = cryptoDisk(rig, "a");
    const device = await rig.dm.create({ name: "dm" });
    await device.load("0 64 linear a 0");
    const key = newKey();
    await rig.run(blkCryptoEvictKey(device.bdev, key));
    expect(log).toEqual([]);
    await rig.run(device.resume());
    use("dm", key);
    await rig.run(blkCryptoEvictKey(device.bdev, key));
    expect(log).toEqual(["program 0", "evict 0"]);
  });

  it("[DM-22] a table swap leaves no key behind on devices that leave the table", async () => {
    const a = cryptoDisk(rig, "a");
    const b = cryptoDisk(rig, "b");
    const c = cryptoDisk(rig, "c");
    const device = await rig.create("0 32 linear a 0\n32 32 linear b 0");
    const keys = [newKey(1), newKey(2)];
    for (const key of keys) use("dm", key);
    await device.load("0 32 linear c 0\n32 32 linear b 0");
    await rig.run(device.resume());
    expect(a.slots).toEqual([null, null, null, null]);
    expect(b.slots.slice(0, 2)).toEqual(keys);
    for (const key of keys) use("dm", key);
    await rig.run(blkCryptoEvictKey(device.bdev, keys[0]!));
    await rig.run(device.remove());
    expect([...b.slots, ...c.slots].filter((key) => key !== null)).toEqual([]);
  });

  it("a table is let go that has been replaced, whatever an eviction from its devices ends with", async () => {
    const { profile } = cryptoDisk(rig, "a");
    cryptoDisk(rig, "b");
    const low = await rig.create("0 64 linear a 0", "low");
    const device = await rig.create("0 64 linear low 0");
    use("dm", newKey());
    await device.load("0 64 linear b 0");
    const evictKey = vi.spyOn(profile, "evictKey").mockRejectedValue(new BlkBug("the driver is confused"));
    await expect(rig.run(device.resume())).rejects.toThrow(/the driver is confused/);
    expect([device.suspended, low.openCount]).toEqual([false, 0]);
    evictKey.mockRestore();
  });

  it("[DM-22] a key that another mapped device uses stays in its keyslot until that one goes", async () => {
    const { slots, log } = cryptoDisk(rig, "ufs");
    const [one, other] = [
      await rig.create("0 64 linear ufs 0", "one"),
      await rig.create("0 64 linear ufs 64", "other"),
    ];
    const key = newKey();
    const use = (bdev: BlockDevice) => cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    use(one.bdev);
    rig.executor.runUntilIdle();
    const underWay = use(other.bdev);
    await rig.run(one.remove());
    rig.executor.runUntilIdle();
    expect([underWay.ends, slots[0], log]).toEqual([[BlkStatus.OK], key, ["program 0"]]);
    await rig.run(other.remove());
    expect([slots[0], log]).toEqual([null, ["program 0", "evict 0"]]);
  });

  it("[DM-22] a key that another mapped device uses further down stays there until that one goes", async () => {
    const { slots, log } = cryptoDisk(rig, "ufs");
    await rig.create("0 64 linear ufs 0", "low");
    const top = await rig.create("0 64 linear low 0", "top");
    const other = await rig.create("0 64 linear ufs 64", "other");
    const key = newKey();
    const use = (bdev: BlockDevice) => cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    use(top.bdev);
    rig.executor.runUntilIdle();
    const underWay = use(other.bdev);
    await rig.run(top.remove());
    rig.executor.runUntilIdle();
    expect([underWay.ends, slots[0], log]).toEqual([[BlkStatus.OK], key, ["program 0"]]);
    await rig.run(blkCryptoEvictKey(other.bdev, key));
    expect([slots[0], log]).toEqual([null, ["program 0", "evict 0"]]);
  });

  it("[DM-22] a key leaves what is below a mapped device that stays, when the one on top goes", async () => {
    const { slots } = cryptoDisk(rig, "ufs");
    await rig.create("0 64 linear ufs 0", "low");
    const top = await rig.create("0 64 linear low 0", "top");
    const key = newKey();
    use("top", key);
    expect(slots[0]).toBe(key);
    await rig.run(top.remove());
    expect(slots[0]).toBeNull();
  });

  it("[DM-22] a key that two mapped devices have used is gone when both go at once", async () => {
    const { slots } = cryptoDisk(rig, "ufs");
    const devices = [await rig.create("0 64 linear ufs 0", "one"), await rig.create("0 64 linear ufs 64", "other")];
    for (const { bdev } of devices) cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), newKey(), 0n).submit();
    const key = newKey();
    for (const { bdev } of devices) cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    rig.executor.runUntilIdle();
    expect(slots).toContain(key);
    await rig.run(Promise.all(devices.map((device) => device.remove())));
    expect(slots.filter((held) => held !== null)).toEqual([]);
  });

  it("[DM-22] a key that was evicted is not evicted again when a device leaves", async () => {
    const a = cryptoDisk(rig, "a");
    cryptoDisk(rig, "b");
    const device = await rig.create("0 64 linear a 0");
    const key = newKey();
    use("dm", key);
    await rig.run(blkCryptoEvictKey(device.bdev, key));
    rig.fallback.evicted.length = 0;
    await device.load("0 64 linear b 0");
    await rig.run(device.resume());
    expect(rig.fallback.evicted).toEqual([]);
    expect(a.log).toEqual(["program 0", "evict 0"]);
  });
});

describe("[DM-24] several levels", () => {
  it("intersect, encrypt below, evict and run wrapped-key ops through all of them", async () => {
    const disks = ["a", "b", "c"].map((name, index) =>
      cryptoDisk(rig, name, {
        maxDunBytesSupported: 8 + index,
        keyTypesSupported: ["raw", "hw-wrapped"],
        wrappedKeys: { generateKey: (into) => into.fill(index + 1, 0, 40).length },
      }),
    );
    await rig.create("0 128 striped 2 8 a 0 b 0", "low");
    await rig.create("0 32 linear low 64\n32 32 linear c 0", "middle");
    const top = await rig.create("0 64 linear middle 0", "top");
    rig.expectCapabilities("top", 512 | 4096, 8, ["raw", "hw-wrapped"]);
    const key = newKey();
    const data = pattern(64 * 512);
    const write = cryptBio(rig, top.bdev, ReqOp.WRITE, 0, data, key, 1000n).submit();
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    const back = new Uint8Array(data.length);
    cryptBio(rig, top.bdev, ReqOp.READ, 0, back, key, 1000n).submit();
    rig.executor.runUntilIdle();
    expect(back).toEqual(data);
    expect(read(disks[2]!.disk, 0, 32 * 512)).toEqual(ciphertext(data, key, 1000n).subarray(32 * 512));
    expect(disks.map(({ slots }) => slots[0])).toEqual([key, key, key]);
    await rig.run(Promise.all([blkCryptoEvictKey(top.bdev, key), blkCryptoEvictKey(rig.dm.get("low").bdev, key)]));
    expect(disks.map(({ slots }) => slots[0])).toEqual([null, null, null]);
    const blob = new Uint8Array(128);
    await rig.run(blkCryptoProfileOf(top.bdev.queue)!.wrappedKeys.generateKey(blob));
    expect(blob[0]).toBe(1);
  });
});

it("contexts on the way carry their DUN by value: a submitter may reuse its array", async () => {
  const { disk } = cryptoDisk(rig, "a");
  const { bdev } = await rig.create("0 64 linear a 0");
  const key = newKey();
  const submitted = cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), key, 3n);
  expect(dunToBigInt(submitted.bio.cryptCtx!.dun)).toBe(3n);
  submitted.submit();
  rig.executor.runUntilIdle();
  expect(read(disk, 0, 512)).toEqual(ciphertext(pattern(512), key, 3n));
});
