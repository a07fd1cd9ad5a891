import { type Bio, BlkStatus, BlockLayer, type BlockLayerOptions, ReqOp } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { expect } from "vitest";
import { expectAtRest, FaultPlan, SeededRandom, SimDisk, type SimDiskBehaviour } from "../src/index.js";

export interface Rig {
  executor: SimExecutor;
  layer: BlockLayer;
  faults: FaultPlan;
  disk: SimDisk;
}

export const DISK_BYTES = 65536;

/** A disk in simulated time. What it does follows from the seed alone. */
export function makeRig(
  seed: number | string,
  options: Partial<SimDiskBehaviour> = {},
  layerOptions: Partial<BlockLayerOptions> = {},
): Rig {
  const executor = new SimExecutor();
  const layer = new BlockLayer({ executor, ...layerOptions });
  const random = new SeededRandom(seed);
  const faults = new FaultPlan(random.fork("faults"));
  return { executor, layer, faults, disk: new SimDisk(layer, { bytes: DISK_BYTES, random, faults, ...options }) };
}

/** A bio over `data` (or `bytes` without any) that puts itself back when it ends, and calls `onEnd` once. */
export function newBio(
  { layer, disk }: Rig,
  opf: number,
  byteOffset: number,
  data: Uint8Array | number,
  onEnd: (status: BlkStatus) => void,
): Bio {
  const bio = layer.bioSet.tryAlloc(disk.bdev, opf)!;
  bio.sector = byteOffset / 512;
  if (typeof data === "number") bio.bytes = data;
  else bio.addBuffer(data);
  bio.onEndIo = () => {
    const { status } = bio;
    bio.put();
    onEnd(status);
  };
  return bio;
}

/** Submits a bio and hands out its endings. */
export function submit(rig: Rig, opf: number, byteOffset: number, data: Uint8Array | number): BlkStatus[] {
  const ends: BlkStatus[] = [];
  rig.layer.submitBio(newBio(rig, opf, byteOffset, data, (status) => ends.push(status)));
  return ends;
}

/** Submits a bio, lets it end, and returns its status. */
export function submitAndRun(rig: Rig, opf: number, byteOffset: number, data: Uint8Array | number): BlkStatus {
  const ends = submit(rig, opf, byteOffset, data);
  rig.executor.runUntilIdle();
  if (ends.length !== 1) throw new Error(`a bio ended ${ends.length} times`);
  return ends[0]!;
}

/** What the disk says it holds. */
export function readAll(rig: Rig): Uint8Array {
  const found = new Uint8Array(rig.disk.bdev.bytes);
  const status = submitAndRun(rig, ReqOp.READ, 0, found);
  if (status !== BlkStatus.OK) throw new Error(`reading ended with ${status}`);
  return found;
}

/** `count` blocks of 512 bytes that hold nothing but `value`. */
export function blocks(value: number, count = 1): Uint8Array {
  return new Uint8Array(512 * count).fill(value);
}

/** The first byte of each of the first blocks. */
export function values(data: Uint8Array, count: number): number[] {
  return Array.from({ length: count }, (_, block) => data[block * 512]!);
}

/** A disk's content that was made durable. */
export function writeDurably(rig: Rig, byteOffset: number, data: Uint8Array): void {
  submitAndRun(rig, ReqOp.WRITE, byteOffset, data);
  rig.disk.medium.flush(rig.disk.medium.sequence);
}

export function expectRigAtRest({ layer, disk }: Rig): void {
  expectAtRest({ layer, queues: [disk.queue] });
}

/** `toEqual` takes seconds for arrays of this size. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}
