import { BlockLayer, Volume } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { findLeaks, SeededRandom } from "@inlinecrypt/blk-sim";
import { DeviceMapper, type MappedDevice } from "@inlinecrypt/dm-layer";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { createUfsDisk, type UfsDisk } from "@inlinecrypt/ufshcd-emulator";
import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { expect, it } from "vitest";

const BLOCK = 4096;
const BLOCKS = 64;
const WORKERS = 8;
const PATH_FAILURES = 1000;
const SECTORS = (BLOCKS * BLOCK) / 512;

/** Two UFS host controllers with one medium behind them, under a multipath device. */
class TwoPaths {
  readonly executor = new SimExecutor();
  readonly layer = new BlockLayer({ executor: this.executor });
  readonly medium = new MemoryMedium(BLOCKS * BLOCK);
  readonly paths = new Map<string, UfsDisk>();
  mapper!: DeviceMapper;
  device!: MappedDevice;

  async open(): Promise<void> {
    for (const name of ["one", "two"]) {
      const options = { name, layer: this.layer, engine: createNodeEngine(), backing: this.medium, keyslots: 2 };
      this.paths.set(name, await this.run(createUfsDisk(options)));
    }
    this.mapper = new DeviceMapper({ layer: this.layer, device: (name) => this.paths.get(name)?.bdev ?? null });
    const table = `0 ${SECTORS} multipath 0 0 1 1 round-robin 0 2 1 one 1 two 1`;
    this.device = await this.run(this.mapper.create({ name: "both", table }));
  }

  /** Time stands still while promises run. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const onSettled = () => {
      settled = true;
    };
    promise.then(onSettled, onSettled);
    while (!settled) await this.turn();
    return promise;
  }

  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.executor.step();
  }

  hasFailed(path: string): boolean {
    return new RegExp(`\\b${path} F`).test(this.device.status()[0]!);
  }

  /** Makes encrypted commands on this path fail, until it has been given up; then it comes back. */
  async failAndReturn(path: string): Promise<void> {
    const { faults } = this.paths.get(path)!.controller;
    faults.add({ kind: "engineFault", times: 1e9 });
    while (!this.hasFailed(path)) await this.turn();
    faults.clear();
    this.device.message(0, `reinstate_path ${path}`);
  }

  /** Keyslots with a key, on each path. */
  keysHeld(): number[] {
    return [...this.paths.values()].map(({ profile }) => profile!.slotTable().filter(({ key }) => key !== null).length);
  }
}

/** What the workers share. */
interface Progress {
  ios: number;
  stop: boolean;
}

/** Writes and reads back blocks of its own, until it is told to stop; tells what is in them. */
async function load(volume: Volume, worker: number, progress: Progress): Promise<number[]> {
  const random = new SeededRandom(`worker ${worker}`);
  const content = new Array<number>(BLOCKS).fill(-1);
  const data = new Uint8Array(BLOCK);
  while (!progress.stop) {
    const block = random.below(BLOCKS / WORKERS) * WORKERS + worker;
    if (content[block] === -1 || random.oneIn(2)) {
      content[block] = progress.ios % 256;
      await volume.write(block * BLOCK, data.fill(content[block]!));
    } else {
      await volume.read(block * BLOCK, data);
      const expected = content[block]!;
      if (!data.every((byte) => byte === expected)) throw new Error(`block ${block} does not hold ${expected}`);
    }
    progress.ios++;
  }
  return content;
}

it("[DM-17] multipath over two UFS disks: a thousand path failures under load, and no I/O fails", async () => {
  const world = new TwoPaths();
  await world.open();
  const bytes = Uint8Array.from({ length: 64 }, (_, at) => at + 1);
  const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: BLOCK, dunBytes: 8 });
  blkCryptoStartUsingKey(world.device.bdev, key);
  const volume = new Volume(world.device.bdev, { key, firstDun: 7n });

  const progress: Progress = { ios: 0, stop: false };
  const workers = Array.from({ length: WORKERS }, (_, worker) => load(volume, worker, progress));
  const all = Promise.all(workers);
  for (let failure = 0; failure < PATH_FAILURES; failure++) {
    await world.failAndReturn(failure % 2 === 0 ? "one" : "two");
    for (const before = progress.ios; progress.ios < before + WORKERS; ) await world.turn();
  }
  progress.stop = true;
  const contents = await world.run(all);

  for (const [worker, content] of contents.entries()) {
    for (let block = worker; block < BLOCKS; block += WORKERS) {
      if (content[block] === -1) continue;
      const plaintext = new Uint8Array(BLOCK).fill(content[block]!);
      const expected = referenceEncrypt("xts(aes)", bytes, BLOCK, 7n + BigInt(block), plaintext);
      expect(Buffer.compare(world.medium.view(block * BLOCK, BLOCK), expected)).toBe(0);
    }
  }
  // The multipath device has no keyslots: the paths' are used, each has the key once, and an eviction reaches both.
  expect(world.keysHeld()).toEqual([1, 1]);
  await world.run(blkCryptoEvictKey(world.device.bdev, key));
  expect(world.keysHeld()).toEqual([0, 0]);
  await world.run(world.device.remove());
  const queues = [...world.paths.values()].map(({ bdev }) => bdev.queue);
  const profiles = [...world.paths.values()].map(({ profile }) => profile!);
  for (const path of world.paths.values()) await world.run(path.close());
  while (world.executor.step());
  expect(findLeaks({ layer: world.layer, queues, profiles })).toEqual([]);
}, 120_000);
