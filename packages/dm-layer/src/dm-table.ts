import { BlkError, BlkMqQueue, type BlockDevice, type BlockLayer, type QueueLimits } from "@inlinecrypt/blk-core";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { DmArgs } from "./dm-args.js";
import { devicesOf } from "./dm-device-set.js";
import { calculateLimits } from "./dm-limits.js";
import { DmTableEntry } from "./dm-table-entry.js";
import { type DmTableLine, formatTableLine, parseTable, quoteArg } from "./dm-table-line.js";
import { DmFeature, type DmTarget, type DmTargetType } from "./dm-target.js";
import type { DmTargetSpec } from "./dm-target-spec.js";
import { runAll, runAllNow, throwAfter } from "./run-all.js";

/** A device held open, until it is let go. */
export interface OpenDevice {
  readonly bdev: BlockDevice;
  close(): void;
}

/** What a table needs of its mapped device. */
export interface DmTableOwner {
  readonly name: string;
  readonly layer: BlockLayer;
  readonly skcipherEngine: SkcipherEngine | null;
  readonly readOnly: boolean;
  /** @throws BlkError EINVAL when there is no such type. */
  targetType(name: string): DmTargetType;
  /** @throws BlkError ENODEV, or EINVAL for the owner itself. */
  openDevice(name: string): OpenDevice;
  keyringKey(type: string, description: string): Uint8Array;
  random32(): number;
  runQueue(): void;
  event(): void;
}

/**
 * How the sectors of a mapped device map to targets: without gaps, from sector 0.
 *
 * @kernel drivers/md/dm-table.c: dm_table
 */
export class DmTable {
  readonly #owner: DmTableOwner;
  readonly #entries: DmTableEntry[] = [];
  readonly #opened: OpenDevice[] = [];
  #requestBased: boolean | null = null;
  #destroyed = false;

  private constructor(owner: DmTableOwner) {
    this.#owner = owner;
  }

  /** @throws BlkError EINVAL naming the target, or what its type's `ctr` says; nothing is left behind. */
  static async create(owner: DmTableOwner, text: string): Promise<DmTable> {
    const table = new DmTable(owner);
    try {
      for (const line of parseTable(text)) table.#addTarget(line);
      if (table.sectors === 0) refuse("the table is empty");
      table.#requestBased = table.#determineType();
      return table;
    } catch (error) {
      return throwAfter(error, () => table.destroy());
    }
  }

  get entries(): readonly DmTableEntry[] {
    return this.#entries;
  }

  get sectors(): number {
    return this.#entries.at(-1)?.end ?? 0;
  }

  /** Whether its target takes requests; null when any device will do. */
  get requestBased(): boolean | null {
    return this.#requestBased;
  }

  /** @throws BlkError EINVAL when targets and devices do not fit together. */
  calculateLimits(): QueueLimits {
    return calculateLimits(this.entries);
  }

  /** Each device of each target, once. */
  devices(): Set<BlockDevice> {
    return devicesOf(this.entries);
  }

  /** The target of a sector, or null behind the end. @context hot. @kernel drivers/md/dm-table.c: dm_table_find_target */
  find(sector: number): DmTableEntry | null {
    const entries = this.#entries;
    let low = 0;
    let high = entries.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sector < entries[middle]!.end) high = middle;
      else low = middle + 1;
    }
    const entry = entries[low]!;
    return sector < entry.end ? entry : null;
  }

  /** Lines as `dmsetup table` prints them; a new table of them maps the same, where no key is needed. */
  tableLines(): string[] {
    return this.#format(({ target }) => target.table());
  }

  /** Lines as `dmsetup status` prints them. */
  statusLines(): string[] {
    return this.#format(({ target }) => target.status?.() ?? "");
  }

  /** Tells every target. @throws what one of them does, when all have been told. */
  presuspend(noflush: boolean): void {
    runAllNow(this.#each((target) => target.presuspend?.(noflush)));
  }

  /** Tells every target. @throws what one of them does, when all have been told. */
  presuspendUndo(): void {
    runAllNow(this.#each((target) => target.presuspendUndo?.()));
  }

  /** Tells every target. @throws what one of them does, when all have been told. */
  postsuspend(): Promise<void> {
    return runAll(this.#each((target) => target.postsuspend?.()));
  }

  /** @throws what a target's `preresume` throws: then none has resumed. @kernel drivers/md/dm-table.c: dm_table_resume_targets */
  async resume(): Promise<void> {
    for (const { target } of this.entries) await target.preresume?.();
    for (const { target } of this.entries) target.resume?.();
  }

  /** Destroys the targets and lets their devices go. Idempotent. @throws what a target says, when all has been done. @kernel drivers/md/dm-table.c: dm_table_destroy */
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    await runAll([...this.#each((target) => target.dtr?.()), () => this.#closeDevices()]);
  }

  /** A step for each target, for `runAll`. */
  #each<T>(step: (target: DmTarget) => T): (() => T)[] {
    return this.entries.map((entry) => () => step(entry.target));
  }

  #addTarget(line: DmTableLine): void {
    const begin = this.#entries.at(-1)?.end ?? 0;
    const type = this.#owner.targetType(line.type);
    if (line.begin !== begin) refuse(`the ${line.type} target starts at sector ${line.begin}, expected ${begin}`);
    if (line.sectors === 0) refuse(`the ${line.type} target has no sectors`);
    const alone = [type, ...this.#entries.map((entry) => entry.type)];
    if (alone.length > 1 && alone.some(({ features }) => (features & DmFeature.SINGLETON) !== 0)) {
      refuse(`a ${line.type} target and others, expected one that is alone in its table`);
    }
    if (this.#owner.readOnly && (type.features & DmFeature.ALWAYS_WRITEABLE) !== 0) {
      refuse(`a ${line.type} target in a read-only device`);
    }
    const target = type.ctr(new DmArgs(type.name, line.args), this.#spec(line));
    this.#entries.push(new DmTableEntry(this.#owner.layer, type, target, line.begin, line.sectors));
  }

  #spec({ begin, sectors }: DmTableLine): DmTargetSpec {
    const owner = this.#owner;
    return {
      begin,
      sectors,
      layer: owner.layer,
      skcipherEngine: owner.skcipherEngine,
      getDevice: (name) => {
        const opened = owner.openDevice(name);
        this.#opened.push(opened);
        return { name: quoteArg(name), bdev: opened.bdev };
      },
      keyringKey: (type, description) => owner.keyringKey(type, description),
      random32: () => owner.random32(),
      runQueue: () => owner.runQueue(),
      event: () => owner.event(),
    };
  }

  /** @kernel drivers/md/dm-table.c: dm_table_determine_type */
  #determineType(): boolean | null {
    const fixed = this.#entries.filter((entry) => !entry.hasFeature(DmFeature.WILDCARD));
    if (fixed.length === 0) return null;
    const requestBased = fixed[0]!.target.cloneAndMapRq !== undefined;
    for (const { target } of fixed) {
      if ((target.cloneAndMapRq !== undefined) !== requestBased)
        refuse("targets of bios and of requests, expected one kind");
    }
    if (!requestBased) return false;
    if (this.#entries.length > 1) refuse("several targets, where one takes requests, expected it to be alone");
    for (const bdev of this.devices()) {
      if (!(bdev.queue instanceof BlkMqQueue)) refuse(`${bdev.name} takes bios, expected a device that takes requests`);
    }
    return true;
  }

  #format(params: (entry: DmTableEntry) => string): string[] {
    return this.entries.map((entry) => formatTableLine(entry.begin, entry.sectors, entry.type.name, params(entry)));
  }

  #closeDevices(): void {
    for (let opened = this.#opened.pop(); opened !== undefined; opened = this.#opened.pop()) opened.close();
  }
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "dm_table", message);
}
