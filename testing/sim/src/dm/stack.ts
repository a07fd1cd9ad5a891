import type { BlockLayer } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import type { DiskEncryption } from "../sector-encryption.js";
import { DISK_SECTORS, type WorldDisk } from "../world-disk.js";
import { GRANULE_SECTORS, Granules, type Run } from "./granules.js";
import { type Layout, LinearLayout, StripedLayout } from "./layout.js";
import { MultipathTables } from "./multipath-tables.js";
import { PathChecker } from "./path-checker.js";
import { type StackCounts, StackDevice } from "./stack-device.js";
import { BioTables, encryptingPalette, plainPalettes, type Tables } from "./tables.js";

const MAX_DEPTH = 4;

/** Sectors of chunks. Small ones cost much, and data units have no place in them. */
const CHUNKS = [2, 8, 8, 16, 16, 64, 64, 64];

/** A disk at the bottom of a stack. */
export interface Leaf {
  readonly disk: WorldDisk;
  /** The disks that are ways to it. */
  readonly pathNames: readonly string[];
}

export interface StackOptions {
  readonly layer: BlockLayer;
  readonly engine: SkcipherEngine;
  readonly random: SeededRandom;
  readonly leaves: readonly Leaf[];
  /** Data may move from one leaf to another: they are alike. */
  readonly mayMove: boolean;
  readonly counts: StackCounts;
}

/** What a new device is made of, beside its tables. */
interface Shape {
  readonly layout: Layout;
  readonly tables: Tables;
  readonly encryption: DiskEncryption | null;
  readonly blockBytes: number;
  readonly space: readonly Granules[];
  readonly pathNames: readonly string[];
}

/** Mapped devices over each other, one to four deep, with one at the top. */
export class Stack {
  /** Those below first; the last one is the top. */
  readonly devices: StackDevice[] = [];
  readonly #options: StackOptions;
  readonly #random: SeededRandom;
  readonly #dm: DeviceMapper;

  private constructor(options: StackOptions) {
    const { layer, engine, random, leaves } = options;
    const gendisks = leaves.flatMap(({ disk }) => disk.queues.map((queue) => queue.disk!));
    this.#options = options;
    this.#random = random;
    this.#dm = new DeviceMapper({
      layer,
      device: (name) => gendisks.find((disk) => disk.name === name)?.part0 ?? null,
      skcipherEngine: engine,
      random32: () => random.nextUint32(),
    });
  }

  static async create(options: StackOptions): Promise<Stack> {
    const stack = new Stack(options);
    await stack.#build();
    return stack;
  }

  get top(): StackDevice {
    return this.devices.at(-1)!;
  }

  async #build(): Promise<void> {
    const random = this.#random;
    const depth = 1 + random.below(MAX_DEPTH);
    const wrapped = this.#options.leaves.map(({ pathNames }) => pathNames.length > 1 || random.oneIn(6));
    let below = await this.#wrapLeaves(wrapped);
    const levels = wrapped.includes(true) ? depth - 1 : depth;
    for (let level = 1; level < levels; level++) below = await this.#addLevel(below);
    if (levels > 0 || below.length > 1) await this.#addDevice(below, 3 / 4);
  }

  /** Request-based devices over leaves that have several paths, or just so. */
  async #wrapLeaves(wrapped: readonly boolean[]): Promise<Granules[]> {
    const below: Granules[] = [];
    for (const [index, leaf] of this.#options.leaves.entries()) {
      if (wrapped[index]) below.push(await this.#addMultipath(leaf));
      else below.push(new Granules({ name: leaf.pathNames[0]!, disk: leaf.disk }, DISK_SECTORS));
    }
    return below;
  }

  async #addMultipath({ disk, pathNames }: Leaf): Promise<Granules> {
    const below = { name: pathNames[0]!, disk };
    return this.#create({
      layout: new LinearLayout([{ begin: 0, sectors: DISK_SECTORS, below, start: 0 }]),
      tables: new MultipathTables(pathNames, this.#random.oneIn(2)),
      encryption: null,
      blockBytes: disk.blockBytes,
      space: [],
      pathNames,
    });
  }

  /** One or two devices over all below. */
  async #addLevel(below: readonly Granules[]): Promise<Granules[]> {
    const count = this.#random.pick([1, 2]);
    const level: Granules[] = [];
    for (let index = 0; index < count; index++) level.push(await this.#addDevice(below, 0.85 / (count - index)));
    return level;
  }

  /** A device that takes a part of what is free below. */
  async #addDevice(below: readonly Granules[], part: number): Promise<Granules> {
    const random = this.#random;
    const freeSectors = below.reduce((sum, granules) => sum + granules.freeSectors, 0);
    const granules = Math.max(2, Math.floor((part * freeSectors) / GRANULE_SECTORS));
    const sectors = Math.min(granules * GRANULE_SECTORS, DISK_SECTORS);
    const blockBytes = Math.max(...below.map((each) => each.below.disk.blockBytes));
    const striped = random.oneIn(3) ? this.#takeStripes(below, sectors, blockBytes) : null;
    const layout = striped ?? this.#takeSegments(below, sectors);
    const encryption = striped === null && random.oneIn(3) ? this.#newEncryption() : null;
    const palette = encryption === null ? random.pick(plainPalettes) : encryptingPalette;
    return this.#create({
      layout,
      tables: new BioTables(palette, encryption),
      encryption,
      blockBytes: Math.max(blockBytes, encryption?.dataUnitBytes ?? 0),
      space: this.#options.mayMove ? below : [],
      pathNames: [],
    });
  }

  #takeSegments(below: readonly Granules[], sectors: number): LinearLayout {
    const random = this.#random;
    const runs: Run[] = [];
    for (let left = sectors; left > 0; ) {
      const wanted = Math.min(left, GRANULE_SECTORS * (2 + random.below(8)));
      const run = random.pick(below).take(wanted, random) ?? random.pick(below).take(GRANULE_SECTORS, random);
      if (run === null) continue;
      runs.push(run);
      left -= run.sectors;
    }
    let begin = 0;
    return new LinearLayout(
      runs.map((run) => {
        const segment = { ...run, begin };
        begin += run.sectors;
        return segment;
      }),
    );
  }

  /** Null when there is not so much in one piece. */
  #takeStripes(below: readonly Granules[], sectors: number, blockBytes: number): StripedLayout | null {
    const random = this.#random;
    const count = random.pick([2, 2, 3]);
    const width = GRANULE_SECTORS * Math.floor(sectors / GRANULE_SECTORS / count);
    if (width === 0) return null;
    const taken: { granules: Granules; run: Run }[] = [];
    for (let stripe = 0; stripe < count; stripe++) {
      const granules = random.pick(below);
      const run = granules.take(width, random);
      if (run !== null) taken.push({ granules, run });
    }
    if (taken.length < count) {
      for (const { granules, run } of taken) granules.give(run);
      return null;
    }
    const chunkSectors = Math.max(random.pick(CHUNKS), blockBytes / 512);
    return new StripedLayout(
      taken.map(({ run }) => ({ ...run, begin: 0 })),
      chunkSectors,
    );
  }

  #newEncryption(): DiskEncryption {
    const random = this.#random;
    return {
      keyBytes: random.fill(new Uint8Array(64)),
      dataUnitBytes: random.pick([512, 512, 1024, 4096]),
      ivOffset: random.pick([0, 8, 2 ** 32 - 64, 2 ** 40]),
    };
  }

  async #create(shape: Shape): Promise<Granules> {
    const { layer, leaves } = this.#options;
    const { layout, tables, blockBytes, pathNames } = shape;
    const name = `dm${this.devices.length}`;
    const random = this.#random.fork(name);
    const cutSectors = Math.max(blockBytes / 512, random.pick([1, 8]));
    const table = tables.write(layout, random, { faulty: false, cutSectors });
    const device = await this.#dm.create({ name, table });
    const paths =
      pathNames.length === 0 ? null : { names: pathNames, checker: new PathChecker(device, pathNames, layer.executor) };
    const stackDevice = new StackDevice({
      ...shape,
      device,
      random,
      paths,
      bios: layer.newBioSet(`${name} copy`, 1),
      counts: this.#options.counts,
      powerCuts: () => leaves.reduce((sum, { disk }) => sum + (disk.power?.cuts ?? 0), 0),
    });
    this.devices.push(stackDevice);
    return new Granules({ name, disk: stackDevice }, layout.sectors);
  }
}
