import {
  type Bio,
  type BlkStatus,
  type BlockDevice,
  BlockLayer,
  type BlockLayerOptions,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { AllocationFaults, expectAtRest, runUntilSettled, SeededRandom, SimDisk } from "@inlinecrypt/blk-sim";
import { DeviceMapper, type DeviceMapperOptions } from "../src/index.js";

/** A block layer in simulated time, devices to map to, and a device mapper. */
export class Rig {
  readonly executor: SimExecutor = new SimExecutor();
  readonly random: SeededRandom = new SeededRandom("dm-layer");
  readonly faults: AllocationFaults = new AllocationFaults(0);
  readonly layer: BlockLayer;
  readonly dm: DeviceMapper;
  readonly devices: Map<string, BlockDevice> = new Map();

  constructor(options: Partial<BlockLayerOptions> = {}, dmOptions: Partial<DeviceMapperOptions> = {}) {
    this.layer = new BlockLayer({ executor: this.executor, failAlloc: this.faults.failAlloc, ...options });
    this.dm = new DeviceMapper({
      layer: this.layer,
      device: (name) => this.devices.get(name) ?? null,
      random32: () => this.random.nextUint32(),
      ...dmOptions,
    });
  }

  ram(name: string, sectors = 32768): RamDisk {
    const disk = new RamDisk(this.layer, { name, bytes: sectors * SECTOR_BYTES });
    this.devices.set(name, disk.bdev);
    return disk;
  }

  sim(name: string, options: Partial<ConstructorParameters<typeof SimDisk>[1]> = {}): SimDisk {
    const disk = new SimDisk(this.layer, {
      name,
      bytes: 16 * 2 ** 20,
      random: this.random.fork(name),
      ...options,
    } as ConstructorParameters<typeof SimDisk>[1]);
    this.devices.set(name, disk.bdev);
    return disk;
  }

  /** Runs simulated time until a promise settles. */
  run<T>(promise: Promise<T>): Promise<T> {
    return runUntilSettled(this.executor, promise);
  }

  bio(bdev: BlockDevice, opf: number, sector: number, data: Uint8Array | number): SubmittedBio {
    // The first may be the one that a test makes fail.
    const bio = this.layer.bioSet.tryAlloc(bdev, opf) ?? this.layer.bioSet.tryAlloc(bdev, opf)!;
    bio.sector = sector;
    if (typeof data === "number") bio.bytes = data * SECTOR_BYTES;
    else if (data.length > 0) bio.addBuffer(data);
    return new SubmittedBio(bio);
  }

  submit(bdev: BlockDevice, opf: number, sector: number, data: Uint8Array | number): SubmittedBio {
    return this.bio(bdev, opf, sector, data).submit();
  }

  /** Nothing is under way, and all that was taken is back. */
  expectAtRest(): void {
    this.executor.runUntilIdle();
    expectAtRest({
      layer: this.layer,
      pools: this.faults.pools,
      queues: this.dm.devices().map(({ bdev }) => bdev.queue),
    });
  }

  async close(): Promise<void> {
    await this.run(this.dm[Symbol.asyncDispose]());
    this.expectAtRest();
  }
}

/** A bio, and how it has ended. */
export class SubmittedBio {
  readonly bio: Bio;
  readonly ends: BlkStatus[] = [];

  constructor(bio: Bio) {
    this.bio = bio;
    bio.onEndIo = (ended) => {
      this.ends.push(ended.status);
      ended.put();
    };
  }

  submit(): this {
    this.bio.bdev!.queue.layer.submitBio(this.bio);
    return this;
  }
}

/** Bytes that differ from place to place. */
export function pattern(bytes: number, seed = 1): Uint8Array {
  const data = new Uint8Array(bytes);
  let value = seed * 2654435761;
  for (let index = 0; index < bytes; index++) {
    value = (Math.imul(value, 1103515245) + 12345) >>> 0;
    data[index] = value >>> 16;
  }
  return data;
}

export function read(
  disk: { readMedium(at: number, into: Uint8Array): void },
  sector: number,
  bytes: number,
): Uint8Array {
  const data = new Uint8Array(bytes);
  disk.readMedium(sector * SECTOR_BYTES, data);
  return data;
}
