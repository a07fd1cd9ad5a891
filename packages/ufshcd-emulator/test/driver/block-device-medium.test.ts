import { type Bio, BioQueue, BlkStatus, BlockLayer, GenDisk, HostExecutor } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { FaultPlan, SeededRandom, SimDisk, type SimDiskOptions } from "@inlinecrypt/blk-sim";
import { blockDeviceSuite, MIN_DEVICE_BYTES } from "@inlinecrypt/conformance";
import { BlockDeviceMedium, createUfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { describe, expect, it } from "vitest";

blockDeviceSuite("a UFS disk on another block device", {
  discardZeroes: true,
  randomRuns: 30,
  async setup({ readOnly }) {
    const layer = new BlockLayer({ executor: new HostExecutor() });
    const ram = new RamDisk(layer, { bytes: MIN_DEVICE_BYTES });
    const disk = await createUfsDisk({ layer, backing: new BlockDeviceMedium(ram.bdev), readOnly });
    return {
      layer,
      bdev: disk.bdev,
      readMedium: (byteOffset, into) => ram.readMedium(byteOffset, into),
      async teardown() {
        await disk.close();
        await ram.close();
      },
    };
  },
});

describe("a medium on a block device", () => {
  function mediumOf(limits: SimDiskOptions["limits"] = {}): {
    executor: SimExecutor;
    medium: BlockDeviceMedium;
    plan: FaultPlan;
  } {
    const executor = new SimExecutor();
    const layer = new BlockLayer({ executor });
    const random = new SeededRandom(1);
    const plan = new FaultPlan(random);
    const sim = new SimDisk(layer, { bytes: 1 << 20, random, faults: plan, limits });
    return { executor, medium: new BlockDeviceMedium(sim.bdev), plan };
  }

  it("does any number of operations, some at a time", () => {
    const { executor, medium } = mediumOf();
    const results: boolean[] = [];
    for (let block = 0; block < 100; block++) {
      medium.write(block * 4096, new Uint8Array(4096).fill(block), (ok) => results.push(ok));
    }
    while (executor.step());
    expect(results).toEqual(new Array(100).fill(true));
    const last = new Uint8Array(4096);
    medium.read(99 * 4096, last, (ok) => results.push(ok));
    while (executor.step());
    expect(last.every((byte) => byte === 99)).toBe(true);
  });

  it("does each operation once on a device that ends it at once", () => {
    const layer = new BlockLayer({ executor: new SimExecutor() });
    const given: Bio[] = [];
    const sectors: number[] = [];
    const submitBio = (bio: Bio): void => {
      sectors.push(bio.sector);
      if (given.length < 32) given.push(bio);
      else bio.endIo();
    };
    const queue = new BioQueue(layer, { submitBio }, { maxWriteZeroesSectors: 8 });
    const medium = new BlockDeviceMedium(new GenDisk({ name: "disk", queue, sectorCount: 2048 }).part0);
    const ended: number[] = [];
    const read = (block: number, next: () => void = () => {}): void => {
      medium.read(block * 4096, new Uint8Array(4096), () => {
        ended.push(block);
        next();
      });
    };
    for (let block = 0; block < 32; block++) read(block);
    read(32, () => read(33, () => read(34)));
    read(35);
    given[0]!.endIo();
    expect(ended).toEqual([32, 35, 33, 34, 0]);
    expect(sectors.slice(32)).toEqual([32, 35, 33, 34].map((block) => block * 8));
  });

  it("discards more than a bio can be about", () => {
    const layer = new BlockLayer({ executor: new SimExecutor() });
    const zeroed: [number, number][] = [];
    let status: BlkStatus = BlkStatus.OK;
    const submitBio = (bio: Bio): void => {
      zeroed.push([bio.sector * 512, bio.bytes]);
      bio.endIoWith(status);
    };
    const limits = { logicalBlockBytes: 4096, maxWriteZeroesSectors: 2 ** 32 - 8 };
    const queue = new BioQueue(layer, { submitBio }, limits);
    const medium = new BlockDeviceMedium(new GenDisk({ name: "disk", queue, sectorCount: 2 ** 25 }).part0);
    const results: boolean[] = [];
    medium.discard(4096, 2 ** 32 + 4096, (ok) => results.push(ok));
    expect(zeroed).toEqual([
      [4096, 2 ** 31],
      [4096 + 2 ** 31, 2 ** 31],
      [4096 + 2 ** 32, 4096],
    ]);
    status = BlkStatus.MEDIUM;
    medium.discard(0, 2 ** 33, (ok) => results.push(ok));
    expect(results).toEqual([true, false]);
    expect(zeroed).toHaveLength(4);
  });

  it("tells of an operation that failed", () => {
    const { executor, medium, plan } = mediumOf();
    plan.add({ status: BlkStatus.MEDIUM });
    const results: boolean[] = [];
    medium.read(0, new Uint8Array(4096), (ok) => results.push(ok));
    while (executor.step());
    expect(results).toEqual([false]);
  });

  it("needs a device that can write zeroes", () => {
    expect(() => mediumOf({ maxWriteZeroesSectors: 0 })).toThrow(/cannot write zeroes/);
  });
});
