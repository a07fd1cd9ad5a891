/**
 * What the block layer and the loop driver cost: LoopDevice through submitBio against bare fs.read and fs.write, same
 * file, offsets, depth and run. The file stays in the page cache, so this measures code, not the medium.
 */
import { randomFillSync } from "node:crypto";
import fs from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bio, BlkStatus, BlockLayer, HostExecutor, ReqOp } from "@inlinecrypt/blk-core";
import { median } from "@inlinecrypt/testing-bench";
import { LoopDevice } from "../src/index.js";

const FILE_BYTES = 64 * 2 ** 20;
const DEPTH = 32;
const ROUNDS = 9;
const BYTES_PER_ROUND = { 4096: 128 * 2 ** 20, 65536: 1024 * 2 ** 20 } as const;

type BlockBytes = keyof typeof BYTES_PER_ROUND;
type Direction = "read" | "write";
/** Moves `count` blocks, at the places `next` names, `DEPTH` at a time. */
type Run = (direction: Direction, blockBytes: BlockBytes, count: number) => Promise<void>;

/** The same places for both sides, in an order that never puts neighbours side by side. */
function placeOf(index: number, blockBytes: number): number {
  const blocks = FILE_BYTES / blockBytes;
  return ((index * 389) % blocks) * blockBytes;
}

/** One buffer per slot of the depth, reused, as both sides would. */
function buffers(blockBytes: number): Uint8Array[] {
  return Array.from({ length: DEPTH }, () => randomFillSync(new Uint8Array(blockBytes)));
}

function bareFile(fd: number): Run {
  return (direction, blockBytes, count) =>
    new Promise((resolve, reject) => {
      let started = 0;
      let ended = 0;
      for (const buffer of buffers(blockBytes)) {
        const next = (): void => {
          const at = placeOf(started++, blockBytes);
          if (direction === "read") fs.read(fd, buffer, 0, blockBytes, at, done);
          else fs.write(fd, buffer, 0, blockBytes, at, done);
        };
        const done = (error: Error | null, bytes: number): void => {
          if (error !== null || bytes !== blockBytes) return reject(error ?? new Error("short transfer"));
          if (++ended === count) return resolve();
          if (started < count) next();
        };
        next();
      }
    });
}

function loopDevice(layer: BlockLayer, loop: LoopDevice): Run {
  return (direction, blockBytes, count) =>
    new Promise((resolve, reject) => {
      const op = direction === "read" ? ReqOp.READ : ReqOp.WRITE;
      let started = 0;
      let ended = 0;
      for (const buffer of buffers(blockBytes)) {
        const next = (): void => {
          const bio = layer.bioSet.tryAlloc(loop.bdev, op)!;
          bio.sector = placeOf(started++, blockBytes) / 512;
          bio.addBuffer(buffer);
          bio.onEndIo = done;
          layer.submitBio(bio);
        };
        const done = (bio: Bio): void => {
          const { status } = bio;
          bio.put();
          if (status !== BlkStatus.OK) return reject(new Error(`a bio ended with status ${status}`));
          if (++ended === count) return resolve();
          if (started < count) next();
        };
        next();
      }
    });
}

async function proveAgreement(loop: LoopDevice, fd: number): Promise<void> {
  const data = randomFillSync(new Uint8Array(2 ** 20));
  const back = new Uint8Array(data.length);
  await loop.bdev.write(0, data);
  fs.readSync(fd, back, 0, back.length, 0);
  if (Buffer.compare(data, back) !== 0) throw new Error("the file does not hold what the device wrote");
  fs.writeSync(fd, randomFillSync(data), 0, data.length, 4096);
  await loop.bdev.read(4096, back);
  if (Buffer.compare(data, back) !== 0) throw new Error("the device does not read what the file holds");
}

async function secondsFor(run: Run, direction: Direction, blockBytes: BlockBytes): Promise<number> {
  const start = performance.now();
  await run(direction, blockBytes, BYTES_PER_ROUND[blockBytes] / blockBytes);
  return (performance.now() - start) / 1000;
}

async function compare(direction: Direction, blockBytes: BlockBytes, loop: Run, bare: Run): Promise<void> {
  const ratios: number[] = [];
  const loopRates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const bareSeconds = await secondsFor(bare, direction, blockBytes);
    const loopSeconds = await secondsFor(loop, direction, blockBytes);
    if (round === 0) continue; // warms up both
    ratios.push(bareSeconds / loopSeconds);
    loopRates.push(BYTES_PER_ROUND[blockBytes] / loopSeconds / 2 ** 20);
  }
  const rate = median(loopRates);
  const operations = Math.round((rate * 2 ** 20) / blockBytes);
  console.log(
    `loop ${direction.padEnd(5)} ${String(blockBytes).padStart(5)} B depth ${DEPTH}: ` +
      `${rate.toFixed(0)} MiB/s, ${operations} IO/s, ${median(ratios).toFixed(2)} of bare fs.${direction}`,
  );
}

const folder = await mkdtemp(join(tmpdir(), "loop-bench-"));
const file = join(folder, "disk.img");
const layer = new BlockLayer({ executor: new HostExecutor() });
const loop = await LoopDevice.open(layer, { file, sizeBytes: FILE_BYTES });
const fd = fs.openSync(file, "r+");
try {
  await loop.bdev.write(0, randomFillSync(new Uint8Array(FILE_BYTES)));
  await proveAgreement(loop, fd);
  for (const blockBytes of [4096, 65536] as const) {
    for (const direction of ["read", "write"] as const) {
      await compare(direction, blockBytes, loopDevice(layer, loop), bareFile(fd));
    }
  }
} finally {
  fs.closeSync(fd);
  await loop.close();
  await rm(folder, { recursive: true });
}
