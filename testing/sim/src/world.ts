import { BlockLayer, type Quota } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { type Leaf, Stack } from "./dm/stack.js";
import type { StackCounts } from "./dm/stack-device.js";
import { Region } from "./region.js";
import { newSimDisk } from "./sim-world-disk.js";
import { newUfsDisks } from "./ufs-world-disk.js";
import { Violation } from "./violation.js";
import type { WorldDisk } from "./world-disk.js";

const REGION_SECTORS = 128;

/** What disks a world has: simulated ones, those of a UFS host controller, a stack of mapped ones, or what the seed says. */
export const worldKinds = ["any", "sim", "ufs", "dm"] as const;
export type WorldKind = (typeof worldKinds)[number];

/** A block layer with random disks of random abilities, all decided by a seed. */
export class World {
  readonly executor: SimExecutor = new SimExecutor();
  readonly layer: BlockLayer;
  readonly fallback: BlkCryptoFallback;
  readonly disks: WorldDisk[] = [];
  readonly regions: Region[] = [];
  /** Pools that something was taken from, and not all of it given back when last looked. */
  readonly pools: Set<Quota> = new Set();
  /** Fails one allocation in so many while above 0. */
  allocationFaultsOneIn = 0;
  allocationsFailed = 0;
  readonly stackCounts: StackCounts = { tableSwaps: 0, tablesRefused: 0, suspends: 0, pathFailures: 0, moves: 0 };
  readonly #shape: SeededRandom;
  /** Disks with a driver of their own, which recovers and sleeps in promises. */
  #hasDriver = false;

  /** A world without disks; `create` makes it whole. */
  private constructor(random: SeededRandom, engine: SkcipherEngine) {
    const shape = random.fork("shape");
    this.#shape = shape;
    const chance = random.fork("allocations");
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
        this.#notePool(pool);
        if (this.allocationFaultsOneIn === 0 || pool.inUse === 0) return false;
        if (!chance.oneIn(this.allocationFaultsOneIn)) return false;
        this.allocationsFailed++;
        return true;
      },
    });
  }

  static async create(random: SeededRandom, engine: SkcipherEngine, kind: WorldKind): Promise<World> {
    const world = new World(random, engine);
    switch (kind === "any" ? kindOf(random) : kind) {
      case "dm":
        await world.#addStack(random.fork("dm"), engine);
        break;
      case "ufs":
        await world.#addUfsDisks(random.fork("ufs"), engine);
        break;
      default:
        world.#addSimDisks(random, engine);
    }
    return world;
  }

  /** Lets promises run. Time stands still for a driver that computes, so all of them are run where a driver has many. */
  async runPromises(): Promise<void> {
    if (this.#hasDriver) await new Promise((resolve) => setImmediate(resolve));
    else await null;
  }

  /**
   * Evicts and wipes all keys, removes mapped disks, and ends what disks do by themselves.
   *
   * @throws Violation when a key is left anywhere.
   */
  async close(): Promise<void> {
    await Promise.all(this.regions.map((region) => region.dropKey()));
    const mapped = this.disks.filter(({ medium }) => medium === null);
    for (const disk of mapped.reverse()) await disk.close();
    this.#expectNoKeys();
    for (const disk of this.disks) if (disk.medium !== null) await disk.close();
  }

  /** Runs something that is not under test, where a failed allocation would be a mistake of this program. */
  withoutAllocationFaults(run: () => void): void {
    const oneIn = this.allocationFaultsOneIn;
    this.allocationFaultsOneIn = 0;
    run();
    this.allocationFaultsOneIn = oneIn;
  }

  /** Tables come and go, each with pools of its own: full ones are forgotten. */
  #notePool(pool: Quota): void {
    if (this.pools.has(pool)) return;
    this.pools.add(pool);
    if (this.pools.size % 256 !== 0) return;
    for (const each of this.pools) if (each.inUse === 0) this.pools.delete(each);
  }

  #expectNoKeys(): void {
    for (const profile of [this.fallback, ...this.disks.flatMap(({ profiles }) => profiles)]) {
      const keyed = profile.slotTable().filter(({ key }) => key !== null);
      if (keyed.length > 0) throw new Violation(`${keyed.length} keys are left behind`);
    }
  }

  async #addUfsDisks(random: SeededRandom, engine: SkcipherEngine): Promise<void> {
    for (const [index, disk] of (await this.#newUfsDisks(random, engine)).entries()) {
      this.disks.push(disk);
      this.#addRegions(disk, random.fork(`disk ${index}`));
    }
  }

  #newUfsDisks(random: SeededRandom, engine: SkcipherEngine): Promise<WorldDisk[]> {
    this.#hasDriver = true;
    return newUfsDisks(this.layer, this.executor, random, engine, "ufs0");
  }

  #addSimDisks(random: SeededRandom, engine: SkcipherEngine): void {
    const diskCount = this.#shape.pick([1, 1, 2]);
    for (let index = 0; index < diskCount; index++) {
      const diskRandom = random.fork(`disk ${index}`);
      const disk = newSimDisk({ layer: this.layer, engine, name: `sim${index}`, random: diskRandom });
      this.disks.push(disk);
      this.#addRegions(disk, diskRandom);
    }
  }

  /** Mapped disks over simulated ones, or over those of a UFS host controller. I/O goes to the one on top. */
  async #addStack(random: SeededRandom, engine: SkcipherEngine): Promise<void> {
    const isUfs = random.oneIn(6);
    const mayMove = !isUfs && random.oneIn(2);
    const leaves = isUfs ? await this.#newUfsLeaves(random, engine) : this.#newSimLeaves(random, engine, mayMove);
    const stack = await Stack.create({
      layer: this.layer,
      engine,
      random: random.fork("stack"),
      leaves,
      mayMove,
      counts: this.stackCounts,
    });
    this.disks.push(...leaves.map(({ disk }) => disk), ...stack.devices);
    this.#addRegions(stack.top, random);
  }

  async #newUfsLeaves(random: SeededRandom, engine: SkcipherEngine): Promise<Leaf[]> {
    const disks = await this.#newUfsDisks(random, engine);
    return disks.map((disk) => ({ disk, pathNames: [disk.gendisk.name] }));
  }

  #newSimLeaves(random: SeededRandom, engine: SkcipherEngine, alike: boolean): Leaf[] {
    const count = random.pick([1, 2, 2, 3]);
    return Array.from({ length: count }, (_, index) => {
      const name = `sim${index}`;
      const leafRandom = random.fork(name);
      const shape = alike ? random.fork("leaves") : leafRandom;
      const paths = random.oneIn(3) ? 2 : 1;
      const disk = newSimDisk({ layer: this.layer, engine, name, random: leafRandom, shape, paths });
      return { disk, pathNames: disk.gendisks.map((gendisk) => gendisk.name) };
    });
  }

  /** Data units of 1024 bytes are what the disks' crypto engines cannot: there the fallback serves one region of many. */
  #addRegions(disk: WorldDisk, random: SeededRandom): void {
    const shape = random.fork("regions");
    const sectors = REGION_SECTORS;
    const { sectorCount } = disk.gendisk.part0;
    for (let startSector = 0; startSector + sectors <= sectorCount; startSector += sectors) {
      const dataUnitBytes = shape.pick([0, 512, 512, 1024, 4096]);
      const regionRandom = random.fork(`region ${startSector}`);
      this.regions.push(new Region({ disk, startSector, sectors, dataUnitBytes, random: regionRandom }));
    }
  }
}

/** Older decisions of a seed stay what they were. */
function kindOf(random: SeededRandom): "sim" | "ufs" | "dm" {
  if (random.fork("is it dm").oneIn(4)) return "dm";
  return random.fork("kind").oneIn(4) ? "ufs" : "sim";
}
