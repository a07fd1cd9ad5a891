import {
  type Bio,
  type BlkRequest,
  BlkStatus,
  type CryptoKeyRef,
  type CryptoProfile,
  newDun,
  Pool,
  type Quota,
  ReqOp,
} from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { AllocationFaults, expectAtRest, failEachAllocation } from "../src/index.js";
import { blocks, makeRig, type Rig, values } from "./support.js";

const key: CryptoKeyRef = { modeNum: 1, keyType: "raw", dataUnitBytes: 512, dataUnitBits: 9, dunBytes: 8 };
const profile: CryptoProfile = {
  supports: () => true,
  getKeyslot: () => BlkStatus.OK,
  putKeyslot: () => {},
  evictKey: async () => {},
};
const crypt = (rq: BlkRequest, from: Uint8Array, to: Uint8Array): BlkStatus => {
  for (let at = 0; at < from.length; at++) to[at] = from[at]! ^ (rq.cryptCtx!.dun[0]! + Math.floor(at / 512));
  return BlkStatus.OK;
};

/** An encrypted write, or null when there is nothing to make one of. */
function tryNewWrite({ layer, disk }: Rig, block: number, data: Uint8Array): Bio | null {
  const bio = layer.bioSet.tryAlloc(disk.bdev, ReqOp.WRITE);
  if (bio === null) return null;
  bio.sector = block;
  bio.addBuffer(data);
  if (bio.setCryptCtx(key, newDun(BigInt(block)))) return bio;
  bio.put();
  return null;
}

/** Encrypted writes, each split twice, overlapping in time. Those that could be made must end well. */
function writeSplitBios(faults: AllocationFaults): void {
  const rig = makeRig(1, { crypt, limits: { maxSectors: 4 } }, { failAlloc: faults.failAlloc });
  rig.disk.queue.registerCryptoProfile(profile);
  for (const block of [0, 16, 32]) {
    const bio = tryNewWrite(rig, block, blocks(block + 1, 10));
    if (bio === null) continue;
    bio.onEndIo = () => {
      expect(bio.status).toBe(BlkStatus.OK);
      bio.put();
      const found = new Uint8Array(5120);
      rig.disk.medium.read(block * 512, found);
      expect(values(found, 10)).toEqual(Array.from({ length: 10 }, (_, index) => (block + 1) ^ (block + index)));
    };
    rig.layer.submitBio(bio);
    rig.executor.advance(0.3);
  }
  rig.executor.runUntilIdle();
  expectAtRest({ layer: rig.layer, queues: [rig.disk.queue], pools: faults.pools });
}

describe("AllocationFaults", () => {
  it("fails the allocation it is told to, of all pools together, and only while something of the pool is in use", () => {
    const faults = new AllocationFaults(3);
    const one = new Pool("one", 9, () => ({}), faults.failAlloc);
    const other = new Pool("other", 9, () => ({}), faults.failAlloc);
    // The first of each pool cannot fail.
    const gotten = [one, other, one, other, one, one].map((pool) => pool.tryGet() !== null);
    expect(gotten).toEqual([true, true, true, true, false, true]);
    expect(faults.failed).toBe("one");
    expect(faults.pools).toEqual(new Set([one, other]));
  });

  it("fails nothing for 0", () => {
    const faults = new AllocationFaults(0);
    const pool = new Pool("pool", 9, () => ({}), faults.failAlloc);
    expect([pool.tryGet(), pool.tryGet()]).not.toContain(null);
    expect(faults.failed).toBeNull();
  });
});

describe("failEachAllocation", () => {
  it("encrypted bios that are split survive the failure of any allocation", async () => {
    const failed = new Set<string | null>();
    const count = await failEachAllocation((faults) => {
      writeSplitBios(faults);
      failed.add(faults.failed);
    });
    expect(count).toBeGreaterThan(10);
    expect(failed).toEqual(new Set(["fs_bio_set", "bio_split", "bio_crypt_ctx", null]));
  });

  it("names the allocation after whose failure a scenario goes wrong, and keeps the reason", async () => {
    const scenario = (faults: AllocationFaults): void => {
      const pool = new Pool("things", 9, () => ({}), faults.failAlloc);
      const things = [pool.tryGet(), pool.tryGet(), pool.tryGet()];
      if (things[1] === null) throw new Error("no thing");
      for (const thing of things) if (thing !== null) pool.put(thing);
    };
    await expect(failEachAllocation(scenario)).rejects.toMatchObject({
      name: "BlkBug",
      message: "the scenario fails with allocation 1 failing (things): no thing",
      cause: new Error("no thing"),
    });
  });

  it("finds what a failure leaks", async () => {
    const scenario = async (faults: AllocationFaults): Promise<void> => {
      const pool = new Pool<object>("things", 9, () => ({}), faults.failAlloc);
      const [first, second] = [pool.tryGet()!, pool.tryGet()];
      if (second === null) return;
      pool.put(first);
      pool.put(second);
    };
    await expect(failEachAllocation(scenario)).rejects.toThrow(/allocation 1 failing \(things\): pool things misses 1/);
  });

  it("says that a scenario fails without any failure too", async () => {
    await expect(
      failEachAllocation(() => {
        throw new Error("never worked");
      }),
    ).rejects.toThrow(/fails without a failed allocation: never worked/);
  });

  it("gives up on a scenario that always allocates more", async () => {
    let size = 1;
    const scenario = (faults: AllocationFaults): void => {
      size++;
      for (let index = 0; index < size; index++) faults.failAlloc({ name: "things", inUse: 1 } as Quota);
      faults.pools.clear();
    };
    await expect(failEachAllocation(scenario, { maxAllocations: 100 })).rejects.toThrow(/after 100 allocations/);
  });
});
