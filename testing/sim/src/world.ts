import { BlockLayer } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { AllocationFaults, type SeededRandom } from "@inlinecrypt/blk-sim";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { Region } from "./region.js";
import { newSimDisk } from "./sim-world-disk.js";
import { newUfsDisks } from "./ufs-world-disk.js";
import { DISK_SECTORS, type WorldDisk } from "./world-disk.js";

const REGION_SECTORS = 128;

/** What disks a world has: simulated ones, those of a UFS host controller, or what the seed says. */
export const worldKinds = ["any", "sim", "ufs"] as const;
export type WorldKind = (typeof worldKinds)[number];

/** A block layer with random disks of random abilities, all decided by a seed. */
export class World {
  readonly executor: SimExecutor = new SimExecutor();
  readonly layer: BlockLayer;
  readonly fallback: BlkCryptoFallback;
  readonly disks: WorldDisk[] = [];
  readonly regions: Region[] = [];
  readonly pools: AllocationFaults["pools"];
  /** Fails one allocation in so many while above 0. */
  allocationFaultsOneIn = 0;
  allocationsFailed = 0;
  readonly #shape: SeededRandom;
  /** Disks with a driver of their own, which recovers and sleeps in promises. */
  #hasDriver = false;

  /** A world without disks; `create` makes it whole. */
  private constructor(random: SeededRandom, engine: SkcipherEngine) {
    const shape = random.fork("shape");
    this.#shape = shape;
    const chance = random.fork("allocations");
    const pools = new AllocationFaults(0);
    this.pools = pools.pools;
    this.fallback = new BlkCryptoFallback({
      engine,
      slotCount: shape.pick([1, 2, 100]),
      bounceCount: shape.pick([1, 4, 64]),
      readCount: shape.pick([1, 4, 128]),
    });
    this.layer = new BlockLayer({
      executor: this.executor,
      cryptoFallback: this.fallback,
      maxBios: 256,
      failAlloc: (pool) => {
        pools.failAlloc(pool);
        if (this.allocationFaultsOneIn === 0 || pool.inUse === 0) return false;
        if (!chance.oneIn(this.allocationFaultsOneIn)) return false;
        this.allocationsFailed++;
        return true;
      },
    });
  }

  static async create(random: SeededRandom, engine: SkcipherEngine, kind: WorldKind): Promise<World> {
    const world = new World(random, engine);
    const isUfs = kind === "any" ? random.fork("kind").oneIn(4) : kind === "ufs";
    if (isUfs) await world.#addUfsDisks(random.fork("ufs"), engine);
    else world.#addSimDisks(random, engine);
    return world;
  }

  /** Lets promises run. Time stands still for a driver that computes, so all of them are run where a driver has many. */
  async runPromises(): Promise<void> {
    if (this.#hasDriver) await new Promise((resolve) => setImmediate(resolve));
    else await null;
  }

  /** Takes the keys out of all keyslots and wipes them, and ends what disks do by themselves. */
  async close(): Promise<void> {
    await Promise.all(this.regions.map((region) => region.dropKey()));
    await Promise.all(this.disks.map((disk) => disk.close()));
  }

  /** Runs something that is not under test, where a failed allocation would be a mistake of this program. */
  withoutAllocationFaults(run: () => void): void {
    const oneIn = this.allocationFaultsOneIn;
    this.allocationFaultsOneIn = 0;
    run();
    this.allocationFaultsOneIn = oneIn;
  }

  async #addUfsDisks(random: SeededRandom, engine: SkcipherEngine): Promise<void> {
    this.#hasDriver = true;
    const disks = await newUfsDisks(this.layer, this.executor, random, engine, "ufs0");
    for (const [index, disk] of disks.entries()) this.#addDisk(disk, random.fork(`disk ${index}`));
  }

  #addSimDisks(random: SeededRandom, engine: SkcipherEngine): void {
    const diskCount = this.#shape.pick([1, 1, 2]);
    for (let index = 0; index < diskCount; index++) {
      const diskRandom = random.fork(`disk ${index}`);
      this.#addDisk(newSimDisk({ layer: this.layer, engine, name: `sim${index}`, random: diskRandom }), diskRandom);
    }
  }

  /** Data units of 1024 bytes are what the disks' crypto engines cannot: there the fallback serves one region of many. */
  #addDisk(disk: WorldDisk, random: SeededRandom): void {
    const shape = random.fork("regions");
    this.disks.push(disk);
    for (let startSector = 0; startSector < DISK_SECTORS; startSector += REGION_SECTORS) {
      const dataUnitBytes = shape.pick([0, 512, 512, 1024, 4096]);
      const regionRandom = random.fork(`region ${startSector}`);
      const sectors = REGION_SECTORS;
      this.regions.push(new Region({ disk, startSector, sectors, dataUnitBytes, random: regionRandom }));
    }
  }
}
