import { type BioSet, type GenDisk, type RequestQueue, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { MappedDevice } from "@inlinecrypt/dm-layer";
import { type DiskEncryption, SectorEncryption } from "../sector-encryption.js";
import { Violation } from "../violation.js";
import type { Place, WorldDisk } from "../world-disk.js";
import { copySectors } from "./copy.js";
import type { Granules } from "./granules.js";
import type { Layout } from "./layout.js";
import { type Move, planMove } from "./move.js";
import type { PathChecker } from "./path-checker.js";
import type { Tables } from "./tables.js";

/** The largest data unit of any world. */
const DATA_UNIT_SECTORS = 4096 / SECTOR_BYTES;

/** What has happened to mapped devices. */
export interface StackCounts {
  tableSwaps: number;
  /** Tables that could encrypt less than the device has promised. */
  tablesRefused: number;
  suspends: number;
  pathFailures: number;
  /** Segments that lie elsewhere since. */
  moves: number;
}

export interface StackDeviceOptions {
  readonly device: MappedDevice;
  readonly layout: Layout;
  readonly tables: Tables;
  readonly encryption: DiskEncryption | null;
  readonly blockBytes: number;
  /** For tables that nobody else decides on. */
  readonly random: SeededRandom;
  /** Paths to a disk: then requests go through it. */
  readonly paths: { readonly names: readonly string[]; readonly checker: PathChecker } | null;
  /** Where its data may be moved to; none when it stays. */
  readonly space: readonly Granules[];
  /** What data is copied with, one bio at a time. */
  readonly bios: BioSet;
  /** Power cuts of all disks so far. */
  readonly powerCuts: () => number;
  /** Counted on, by all devices of a stack. */
  readonly counts: StackCounts;
}

/**
 * A mapped device of a stack, whose tables are swapped, whose paths fail, whose data moves, and which is suspended. All
 * that goes on in promises, one after the other.
 */
export class StackDevice implements WorldDisk {
  readonly gendisk: GenDisk;
  readonly queues: readonly RequestQueue[];
  readonly profiles: readonly BlkCryptoProfile[] = [];
  readonly power = null;
  readonly medium = null;
  readonly #options: StackDeviceOptions;
  readonly #device: MappedDevice;
  #layout: Layout;
  #held = false;
  /** The live table may make I/O fail. */
  #faulty = false;
  /** Changes that have not ended. */
  #pending = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(options: StackDeviceOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#layout = options.layout;
    this.gendisk = options.device.disk;
    this.queues = [this.gendisk.queue];
  }

  get blockBytes(): number {
    return this.#options.blockBytes;
  }

  get #blockSectors(): number {
    return this.#options.blockBytes / SECTOR_BYTES;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  placeOf(sector: number): Place {
    const { begin, below, start } = this.#layout.find(sector);
    const place = below.disk.placeOf(start + sector - begin);
    const { encryption } = this.#options;
    if (encryption === null) return place;
    return { ...place, encryptions: [new SectorEncryption(encryption, sector), ...place.encryptions] };
  }

  /** Also the last path may fail. */
  addFault(random: SeededRandom): Promise<void> | null {
    const { paths } = this.#options;
    if (paths === null) return this.#pending > 0 ? null : this.#swap(this.#write(random, true), random.oneIn(2), true);
    this.#failPath(random, 0);
    return null;
  }

  liftFaults(): Promise<void> | null {
    const { paths, tables, random } = this.#options;
    paths?.checker.reinstateAll();
    if (!this.#faulty && this.#pending === 0) return null;
    const table = tables.write(this.#layout, random, {
      faulty: false,
      cutSectors: Math.max(this.#blockSectors, DATA_UNIT_SECTORS),
    });
    return this.#change(async () => {
      if (!this.#faulty) return;
      if (!(await this.#load(table)))
        throw new Violation(`${this.gendisk.name} refuses a table that cuts no data unit`);
      await this.#device.resume();
      this.#faulty = false;
    });
  }

  reconfigure(random: SeededRandom): Promise<void> | null {
    if (this.#pending > 0 || this.#held) return null;
    const { paths } = this.#options;
    const noflush = random.oneIn(2);
    const table = this.#write(random, false);
    switch (random.below(6)) {
      case 0:
        return this.#hold(random.oneIn(2) ? table : null, noflush);
      case 1:
      case 2:
        return paths === null ? this.#move(random, noflush) : this.#failPath(random, 1);
      case 3:
        return this.#loadAndDrop(table);
      default:
        return this.#swap(table, noflush, false);
    }
  }

  /** A suspend that still waits for I/O is cancelled. */
  release(): Promise<void> {
    this.#held = false;
    this.#device.cancelSuspend();
    return this.#change(async () => {
      if (this.#device.suspended) await this.#device.resume();
    });
  }

  async close(): Promise<void> {
    this.#options.paths?.checker.stop();
    await this.#device.remove();
  }

  /** Cuts inside of data units cost a device its encryption. One that has promised it refuses them. */
  #write(random: SeededRandom, faulty: boolean, layout = this.#layout): string {
    const blockSectors = this.#blockSectors;
    const cutSectors = random.oneIn(4) ? blockSectors : Math.max(blockSectors, DATA_UNIT_SECTORS);
    return this.#options.tables.write(layout, random, { faulty, cutSectors });
  }

  #swap(table: string, noflush: boolean, faulty: boolean): Promise<void> {
    return this.#change(async () => {
      if (!(await this.#load(table))) return;
      await this.#device.resume({ noflush });
      this.#options.counts.tableSwaps++;
      this.#faulty = faulty;
    });
  }

  #loadAndDrop(table: string): Promise<void> {
    return this.#change(async () => {
      if (await this.#load(table)) await this.#device.clear();
    });
  }

  #hold(table: string | null, noflush: boolean): Promise<void> {
    this.#held = true;
    return this.#change(async () => {
      if ((await this.#suspend(noflush)) && table !== null) await this.#load(table);
    });
  }

  /** Unless so many or fewer live: while one does, no I/O may fail. */
  #failPath(random: SeededRandom, leave: number): null {
    const { paths, counts } = this.#options;
    if (paths === null || paths.checker.alive <= leave) return null;
    if (paths.checker.fail(random.pick(paths.names))) counts.pathFailures++;
    return null;
  }

  /** Copies a segment to free space while the device is suspended; what becomes of it is decided before I/O goes on. */
  #move(random: SeededRandom, noflush: boolean): Promise<void> | null {
    const move = planMove(this.#layout, this.#options.space, random);
    if (move === null) return null;
    const table = this.#write(random, false, move.layout);
    return this.#change(async () => {
      await this.#suspend(noflush);
      const loaded = await this.#load(table);
      const moved = loaded && (await this.#copy(move));
      if (moved) this.#layout = move.layout;
      else if (loaded) await this.#device.clear();
      move.end(moved);
      await this.#device.resume();
      if (!moved) return;
      this.#options.counts.moves++;
      this.#faulty = false;
    });
  }

  /** False when it failed, or power cuts may have taken some of it. */
  async #copy({ from, to }: Move): Promise<boolean> {
    const { bios, powerCuts } = this.#options;
    const cuts = powerCuts();
    const source = { bdev: from.below.disk.gendisk.part0, sector: from.start };
    const target = { bdev: to.below.disk.gendisk.part0, sector: to.start };
    return (await copySectors(bios, source, target, from.sectors)) && powerCuts() === cuts;
  }

  /** False for a table that can encrypt less than the device has promised; nothing has changed. */
  async #load(table: string): Promise<boolean> {
    try {
      await this.#device.load(table);
      return true;
    } catch (error) {
      if (!(error as Error).message.includes("can encrypt less")) throw error;
      this.#options.counts.tablesRefused++;
      return false;
    }
  }

  /** False when it was cancelled. */
  async #suspend(noflush: boolean): Promise<boolean> {
    try {
      await this.#device.suspend({ noflush });
      this.#options.counts.suspends++;
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === "EINTR") return false;
      throw error;
    }
  }

  /** After the changes before it. */
  #change(change: () => Promise<void>): Promise<void> {
    this.#pending++;
    this.#last = this.#last.then(change).finally(() => {
      this.#pending--;
    });
    return this.#last;
  }
}
