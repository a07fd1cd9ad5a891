import { BlkStatus, KEYSLOT_PENDING, ReqOp } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { FaultPlan, failEachAllocation, SeededRandom, SimMedium } from "@inlinecrypt/blk-sim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ciphertext, cryptBio, cryptoDisk, newKey } from "./crypto-support.js";
import { pattern, Rig, read, type SubmittedBio } from "./support.js";

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});
afterEach(() => rig.close());

const create = (table: string, name = "mp") => rig.run(rig.dm.create({ name, table }));
const ends = (bios: readonly SubmittedBio[]) => bios.map(({ ends: each }) => each.map(Number).join());

describe("encrypted requests", () => {
  it("[DM-17] the clone carries the context and takes a slot of the lower queue; the upper request has none", async () => {
    const a = cryptoDisk(rig, "a");
    const { bdev } = await create("0 1024 multipath 0 0 1 1 round-robin 0 1 0 a");
    const seen: [string, unknown, unknown][] = [];
    rig.layer.tracepoints.blockRqIssue.subscribe((rq) => {
      seen.push([rq.queue.disk!.name, rq.cryptKeyslot?.slotIndex ?? null, rq.cryptCtx!.key]);
    });
    const key = newKey();
    const data = pattern(4096);
    const write = cryptBio(rig, bdev, ReqOp.WRITE, 8, data, key, 21n).submit();
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(seen).toEqual([
      ["mp", null, key],
      ["a", 0, key],
    ]);
    expect(read(a.disk, 8, 4096)).toEqual(ciphertext(data, key, 21n));
    expect(a.profile.slotTable()[0]!.references).toBe(0);
    await rig.run(blkCryptoEvictKey(bdev, key));
    expect(a.slots[0]).toBeNull();
  });

  it("[DM-17] a path that fails under encrypted load leaks no slot, and the data is right", async () => {
    const medium = new SimMedium({ bytes: 16 * 2 ** 20, blockBytes: 512 });
    const faults = new FaultPlan(new SeededRandom(3));
    const disks = [cryptoDisk(rig, "a", { medium, faults }), cryptoDisk(rig, "b", { medium })];
    const { bdev } = await create("0 4096 multipath 0 0 1 1 round-robin 0 2 0 a b");
    faults.add({ status: BlkStatus.TRANSPORT, oneIn: 2 });
    const key = newKey();
    const writes = Array.from({ length: 16 }, (_, index) =>
      cryptBio(rig, bdev, ReqOp.WRITE, index * 64, pattern(4096, index), key, BigInt(index * 64)).submit(),
    );
    rig.executor.runUntilIdle();
    expect(new Set(ends(writes))).toEqual(new Set(["0"]));
    expect(rig.dm.get("mp").status()[0]).toContain("a F 1 b A 0");
    for (let index = 0; index < 16; index++) {
      const stored = read(disks[1]!.disk, index * 64, 4096);
      expect(stored).toEqual(ciphertext(pattern(4096, index), key, BigInt(index * 64)));
    }
    expect(disks.map(({ profile }) => profile.slotTable()[0]!.references)).toEqual([0, 0]);
    expect(disks.map(({ slots }) => slots[0])).toEqual([key, key]);
  });

  it("[DM-22] a path that leaves the table, and every path at removal, loses the keys", async () => {
    const disks = ["a", "b"].map((name) => cryptoDisk(rig, name));
    const device = await create("0 1024 multipath 0 0 1 1 round-robin 0 2 0 a b");
    const key = newKey();
    const use = () => {
      for (const sector of [0, 64]) cryptBio(rig, device.bdev, ReqOp.WRITE, sector, pattern(512), key, 0n).submit();
      rig.executor.runUntilIdle();
    };
    use();
    expect(disks.map(({ slots }) => slots[0])).toEqual([key, key]);
    await device.load("0 1024 multipath 0 0 1 1 round-robin 0 1 0 b");
    await rig.run(device.resume());
    expect(disks.map(({ slots }) => slots[0])).toEqual([null, key]);
    use();
    await rig.run(device.remove());
    expect(disks.map(({ slots }) => slots[0])).toEqual([null, null]);
  });

  it("a table without paths promises no encryption, and takes none away", async () => {
    const { disk } = cryptoDisk(rig, "a");
    const device = await create("0 1024 multipath 1 queue_if_no_path 0 0 0");
    const swap = async (table: string) => {
      await device.load(table);
      await rig.run(device.resume({ noflush: true }));
    };
    const { queue } = device.bdev;
    const key = newKey();
    expect(queue.cryptoProfile.supports(key)).toBe(false);
    await swap("0 1024 multipath 0 0 1 1 round-robin 0 1 0 a");
    expect(queue.cryptoProfile.supports(key)).toBe(true);
    await swap("0 1024 multipath 1 queue_if_no_path 0 0 0");
    const write = cryptBio(rig, device.bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    rig.executor.advance(1000);
    expect(write.ends).toEqual([]);
    await swap("0 1024 multipath 0 0 1 1 round-robin 0 1 0 a");
    rig.executor.advance(1000);
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(read(disk, 0, 512)).toEqual(ciphertext(pattern(512), key, 0n));
  });

  it("[DM-18] without a context for the clone the request is offered again", async () => {
    const failed = await failEachAllocation(async (faults) => {
      const world = new Rig({ failAlloc: faults.failAlloc });
      const { disk } = cryptoDisk(world, "a");
      const table = "0 1024 multipath 0 0 1 1 round-robin 0 1 0 a";
      const { bdev } = await world.run(world.dm.create({ name: "mp", table }));
      const key = newKey();
      const writes = [0, 64, 128].map((sector) => {
        const submitted = world.bio(bdev, ReqOp.WRITE, sector, pattern(512));
        // The first may be the one that is made to fail.
        const { bio } = submitted;
        if (!bio.setCryptCtx(key, new Uint32Array(8))) bio.setCryptCtx(key, new Uint32Array(8));
        return submitted.submit();
      });
      world.executor.runUntilIdle();
      expect(ends(writes)).toEqual(["0", "0", "0"]);
      expect(read(disk, 64, 512)).toEqual(ciphertext(pattern(512), key, 0n));
      await world.close();
    });
    expect(failed).toBeGreaterThan(5);
  });

  it("[DM-18] RESOURCE on insertion requeues, any other status ends the request with it", async () => {
    const a = cryptoDisk(rig, "a");
    const { bdev } = await create("0 1024 multipath 0 0 1 1 round-robin 0 1 0 a");
    const faults = new FaultPlan(new SeededRandom(1));
    const refusing = rig.sim("refusing", { faults });
    faults.add({ status: BlkStatus.DEV_RESOURCE, times: 2 });
    const other = await create("0 1024 multipath 0 0 1 1 round-robin 0 1 0 refusing", "other");
    const waits = rig.submit(other.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(waits.ends).toEqual([BlkStatus.OK]);
    expect([refusing.seen.writes, refusing.queue.inFlight]).toEqual([1, 0]);
    refusing.powerCut();
    const offline = rig.submit(other.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(offline.ends).toEqual([BlkStatus.OFFLINE]);
    const key = newKey();
    a.profile.getKeyslot = () => BlkStatus.TIMEOUT;
    const refused = cryptBio(rig, bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    rig.executor.runUntilIdle();
    expect(refused.ends).toEqual([BlkStatus.TIMEOUT]);
  });

  it("[DM-18] a request that a path refuses, or whose key it cannot program, goes to the other path", async () => {
    rig.sim("refusing").powerCut();
    const good = rig.sim("good");
    const plain = await create("0 1024 multipath 0 0 1 1 round-robin 0 2 0 refusing good", "plain");
    const write = rig.submit(plain.bdev, ReqOp.WRITE, 0, pattern(512));
    rig.executor.runUntilIdle();
    expect(write.ends).toEqual([BlkStatus.OK]);
    expect(read(good, 0, 512)).toEqual(pattern(512));
    expect(plain.status()[0]).toContain("refusing F 1 good A 0");

    const [a, b] = ["a", "b"].map((name) => cryptoDisk(rig, name));
    const device = await create("0 1024 multipath 0 0 1 1 round-robin 0 2 0 a b");
    a!.profile.getKeyslot = () => BlkStatus.IOERR;
    const key = newKey();
    const encrypted = cryptBio(rig, device.bdev, ReqOp.WRITE, 0, pattern(512), key, 0n).submit();
    rig.executor.runUntilIdle();
    expect(encrypted.ends).toEqual([BlkStatus.OK]);
    expect(read(b!.disk, 0, 512)).toEqual(ciphertext(pattern(512), key, 0n));
    expect(device.status()[0]).toContain("a F 1 b A 0");
  });

  it("[DM-19] the clone waits for a slot of the lower queue without holding up the dispatch of others", async () => {
    const a = cryptoDisk(rig, "a", { slotCount: 1 });
    const { bdev } = await create("0 1024 multipath 0 0 1 1 round-robin 0 1 0 a");
    const results: number[] = [];
    const getKeyslot = a.profile.getKeyslot.bind(a.profile);
    a.profile.getKeyslot = (waiter) => {
      const result = getKeyslot(waiter);
      results.push(result);
      return result;
    };
    const keys = [newKey(1), newKey(2), newKey(3)];
    const writes = keys.map((key, index) =>
      cryptBio(rig, bdev, ReqOp.WRITE, index * 64, pattern(512), key, 0n).submit(),
    );
    const plain = rig.submit(bdev, ReqOp.WRITE, 512, pattern(512));
    expect(results).toEqual([BlkStatus.OK, KEYSLOT_PENDING, KEYSLOT_PENDING]);
    expect(a.disk.queue.hctxs[0]!.inFlight).toBe(2);
    rig.executor.runUntilIdle();
    expect(ends([...writes, plain])).toEqual(["0", "0", "0", "0"]);
    keys.forEach((key, index) => {
      expect(read(a.disk, index * 64, 512)).toEqual(ciphertext(pattern(512), key, 0n));
    });
  });
});
