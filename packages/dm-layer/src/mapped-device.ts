import {
  BlkError,
  type BlockDevice,
  type BlockLayer,
  type CryptoKeyRef,
  GenDisk,
  Mutex,
  type QueueLimits,
} from "@inlinecrypt/blk-core";
import { DmBioMapper } from "./dm-bio.js";
import { DmInlineCrypto, type KeyUse } from "./dm-inline-crypto.js";
import { checkTargetAlignment, sameLimits } from "./dm-limits.js";
import type { DmMapper } from "./dm-mapper.js";
import { DmRqMapper } from "./dm-rq.js";
import { DmTable, type DmTableOwner, type OpenDevice } from "./dm-table.js";
import { splitArgs } from "./dm-table-line.js";
import { EventCounter } from "./event-counter.js";
import type { MappedDeviceInfo } from "./mapped-device-info.js";
import { runAll, throwAfter } from "./run-all.js";
import { checkReplacement } from "./table-replacement.js";

export interface SuspendOptions {
  /**
   * I/O that targets give back waits, instead of failing; use it to replace a table whose devices do not answer.
   *
   * @default false
   */
  noflush?: boolean;
}

/** What a mapped device is made with; `DeviceMapper.create` does. */
export interface MappedDeviceOptions {
  readonly uuid: string;
  /** All a table needs but what the device itself knows. */
  readonly tableOwner: Omit<DmTableOwner, "event" | "runQueue">;
  /** Whether another mapped device has used a key on a device, or on one that it maps to. */
  readonly othersUseKey: KeyUse;
  /** Called once, when it has been removed. */
  readonly onRemoved: () => void;
}

/**
 * A device that maps its sectors to others. Its life is the kernel's: `load` makes a table the inactive one, `resume`
 * makes the inactive one live, and between `suspend` and `resume` I/O waits. Control operations run one after the other.
 *
 * @kernel drivers/md/dm.c: mapped_device
 */
export class MappedDevice implements AsyncDisposable {
  readonly name: string;
  readonly uuid: string;
  readonly #options: MappedDeviceOptions;
  readonly #layer: BlockLayer;
  readonly #owner: DmTableOwner;
  readonly #events = new EventCounter();
  /** @kernel mapped_device.suspend_lock */
  readonly #mutex = new Mutex();
  readonly #crypto: DmInlineCrypto;
  #live: DmTable | null = null;
  #inactive: DmTable | null = null;
  /** Null until the first table is loaded: that decides how I/O is taken. */
  #mapper: DmMapper | null = null;
  #disk: GenDisk | null = null;
  #suspended = false;
  /** A suspend waits for I/O to end. */
  #suspending = false;
  #openCount = 0;
  #removed = false;

  constructor(options: MappedDeviceOptions) {
    this.#options = options;
    this.name = options.tableOwner.name;
    this.uuid = options.uuid;
    this.#layer = options.tableOwner.layer;
    this.#crypto = new DmInlineCrypto(this.#layer, () => this.#live, options.othersUseKey);
    this.#owner = { ...options.tableOwner, event: () => this.#events.emit(), runQueue: () => this.#mapper?.kick() };
  }

  /** The disk. @throws BlkError ENXIO before the first table is loaded. */
  get disk(): GenDisk {
    if (this.#disk === null) throw new BlkError("ENXIO", this.name, "no table has been loaded");
    return this.#disk;
  }

  /** The whole disk. @throws BlkError ENXIO before the first table is loaded. */
  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /** Whether a block device is this mapped device, or a part of it. */
  isDiskOf(bdev: BlockDevice): boolean {
    return this.#disk === bdev.disk;
  }

  /** How many tables of mapped devices use this one. */
  get openCount(): number {
    return this.#openCount;
  }

  /**
   * For a table of another mapped device.
   *
   * @throws BlkError ENXIO before the first table is loaded, and once it is being removed.
   * @kernel drivers/md/dm.c: dm_blk_open
   */
  open(): OpenDevice {
    if (this.#removed) throw new BlkError("ENXIO", this.name, "the device is being removed");
    const { bdev } = this;
    this.#openCount++;
    return { bdev, close: () => this.#openCount-- };
  }

  /** Whether I/O has used a key on a device of the live table, and nobody has evicted it since. */
  usesKey(bdev: BlockDevice, key: CryptoKeyRef): boolean {
    return this.#crypto.usesKey(bdev, key);
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  /** Events so far. @kernel drivers/md/dm.c: dm_get_event_nr */
  get eventNr(): number {
    return this.#events.count;
  }

  info(): MappedDeviceInfo {
    return {
      name: this.name,
      uuid: this.uuid,
      state: this.#suspended ? "SUSPENDED" : "ACTIVE",
      readOnly: this.#owner.readOnly,
      liveTable: this.#live !== null,
      inactiveTable: this.#inactive !== null,
      openCount: this.#openCount,
      eventNr: this.#events.count,
      targetCount: this.#live?.entries.length ?? 0,
    };
  }

  /** Lines as `dmsetup table` prints them, keys as zeroes. */
  table(which: "live" | "inactive" = "live"): string[] {
    return (which === "live" ? this.#live : this.#inactive)?.tableLines() ?? [];
  }

  /** Lines as `dmsetup status` prints them. */
  status(): string[] {
    return this.#live?.statusLines() ?? [];
  }

  /** The devices below, as `dmsetup deps` lists them. */
  deps(): BlockDevice[] {
    return [...(this.#live?.devices() ?? [])];
  }

  /** Resolves with `eventNr` once it is more than `after`. @throws BlkError ENXIO when the device is removed. @kernel drivers/md/dm.c: dm_wait_event */
  waitEvent(after: number): Promise<number> {
    return this.#events.wait(after, this.name);
  }

  /**
   * Sends a message to the target of a sector, and returns its answer. Words are as in table lines.
   *
   * @throws BlkError EINVAL, for no such target, and from the target.
   * @kernel drivers/md/dm-ioctl.c: target_message
   */
  message(sector: number, message: string): string {
    const entry = sector < 0 ? null : (this.#live?.find(sector) ?? null);
    if (entry === null) throw new BlkError("EINVAL", this.name, `no target at sector ${sector}`);
    if (entry.target.message === undefined) {
      throw new BlkError("EINVAL", `dm-${entry.type.name}`, "the target takes no messages");
    }
    return entry.target.message(splitArgs(message));
  }

  /**
   * Makes a table the inactive one, in place of any other.
   *
   * @throws BlkError EINVAL, with nothing changed: for a table that makes no sense, one that takes I/O in another form
   * than the first did, or one that can encrypt less than the device promises.
   * @kernel drivers/md/dm-ioctl.c: table_load
   */
  load(text: string): Promise<void> {
    return this.#exclusive(async () => {
      const table = await DmTable.create(this.#owner, text);
      try {
        this.#prepare(table);
      } catch (error) {
        return throwAfter(error, () => table.destroy());
      }
      await this.#setInactive(table);
    });
  }

  /** Drops the inactive table. @kernel drivers/md/dm-ioctl.c: table_clear */
  clear(): Promise<void> {
    return this.#exclusive(() => this.#setInactive(null));
  }

  /**
   * Makes new I/O wait, and resolves when what was under way has ended.
   *
   * @throws BlkError EINVAL when it is suspended, EINTR after `cancelSuspend`, and what `presuspend` of a target throws:
   * it goes on as before.
   * @kernel drivers/md/dm.c: dm_suspend
   */
  suspend(options: SuspendOptions = {}): Promise<void> {
    return this.#exclusive(() => {
      if (this.#suspended) throw new BlkError("EINVAL", this.name, "the device is suspended");
      return this.#suspend(options.noflush ?? false);
    });
  }

  /** Ends the wait of a `suspend` under way: I/O does not end, and targets do not give it back. */
  cancelSuspend(): void {
    if (this.#suspending) this.#mapper?.cancelIdle();
  }

  /**
   * Makes the inactive table live, if there is one, suspending the device first; then lets I/O go on.
   *
   * @throws BlkError EINVAL when there is neither a table nor anything to resume, or the devices below have changed and the
   * table fits them no more; EBUSY for a table with other limits while requests wait; and what a target says. The device
   * then stays suspended.
   * @kernel drivers/md/dm-ioctl.c: do_resume
   */
  resume(options: SuspendOptions = {}): Promise<void> {
    return this.#exclusive(async () => {
      const table = this.#inactive;
      if (table === null && this.#live === null) throw new BlkError("EINVAL", this.name, "no table has been loaded");
      if (table === null) return this.#resume();
      if (!this.#suspended) await this.#suspend(options.noflush ?? false);
      const old = this.#swap(table);
      await runAll([() => this.#crypto.evictDropped(old, table), () => this.#resume(), () => old?.destroy()]);
    });
  }

  /**
   * Removes the device: I/O that waits ends with IOERR, and keys it has used leave the devices below.
   *
   * @throws BlkError EBUSY while another table uses it; and what a target says at its end: the device is gone all the same.
   * @kernel drivers/md/dm-ioctl.c: dev_remove
   */
  remove(): Promise<void> {
    return this.#exclusive(() => this.#remove());
  }

  /**
   * Ends I/O that waits for the resume, or that targets keep back; else devices on top, which are removed first, would
   * wait for it. What is under way goes on.
   */
  failWaiting(): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#suspended) this.#mapper?.fail();
      else this.#live?.presuspend(false);
    });
  }

  /** `remove`, unless that has been done. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#mutex.run(async () => {
      if (!this.#removed) await this.#remove();
    });
  }

  async #remove(): Promise<void> {
    if (this.#openCount > 0) throw new BlkError("EBUSY", this.name, `${this.#openCount} tables use the device`);
    this.#removed = true;
    const live = this.#live;
    await runAll([
      () => live?.presuspend(false),
      () => this.#mapper?.fail(),
      () => this.#disk?.close(),
      () => this.#mapper?.whenIdle(),
      () => live?.postsuspend(),
      () => this.#crypto.evictDropped(live, null),
      () => this.#takeTable(),
      // An eviction under way is still at the devices of the table.
      () => this.#crypto[Symbol.asyncDispose](),
      () => live?.destroy(),
      () => this.#setInactive(null),
      () => this.#events.close(),
      () => this.#options.onRemoved(),
    ]);
  }

  #takeTable(): void {
    this.#live = null;
    this.#mapper?.setTable(null);
  }

  #exclusive<T>(op: () => Promise<T>): Promise<T> {
    return this.#mutex.run(() => {
      if (this.#removed) throw new BlkError("ENXIO", this.name, "the device has been removed");
      return op();
    });
  }

  /** Checks a table against the device, or makes queue and disk for the first. @kernel drivers/md/dm-ioctl.c: table_load */
  #prepare(table: DmTable): void {
    const mapper = this.#mapper;
    if (mapper === null) return this.#setUpQueue(table, table.calculateLimits());
    this.#limitsWith(table, mapper);
    checkReplacement(this.name, mapper.queue, this.#live, table);
  }

  /** @kernel drivers/md/dm.c: dm_setup_md_queue */
  #setUpQueue(table: DmTable, limits: QueueLimits): void {
    const mapper = this.#newMapper(table, limits);
    this.#crypto.promise(mapper.queue, table);
    const { name, readOnly } = this.#owner;
    this.#mapper = mapper;
    this.#disk = new GenDisk({ name, queue: mapper.queue, sectorCount: 0, readOnly });
  }

  #newMapper(table: DmTable, limits: QueueLimits): DmMapper {
    if (table.requestBased === true) return new DmRqMapper(this.#layer, limits, this.#crypto.keys);
    return new DmBioMapper(this.#layer, limits, this.#crypto.keys);
  }

  async #setInactive(table: DmTable | null): Promise<void> {
    const old = this.#inactive;
    this.#inactive = table;
    await old?.destroy();
  }

  async #suspend(noflush: boolean): Promise<void> {
    // First, so that what targets give back in `presuspend` waits.
    this.#mapper?.block(noflush);
    try {
      this.#live?.presuspend(noflush);
      await this.#idle();
    } catch (error) {
      return throwAfter(error, async () => this.#undoSuspend());
    }
    this.#suspended = true;
    await this.#live?.postsuspend();
  }

  /** @throws BlkError EINTR after `cancelSuspend`. */
  async #idle(): Promise<void> {
    this.#suspending = true;
    const idle = (await this.#mapper?.whenIdle()) ?? true;
    this.#suspending = false;
    if (!idle) throw new BlkError("EINTR", this.name, "the suspend was cancelled");
  }

  #undoSuspend(): void {
    try {
      this.#live?.presuspendUndo();
    } finally {
      this.#mapper?.unblock();
    }
  }

  /** The device is suspended and idle. Returns the table that was live. @kernel drivers/md/dm.c: dm_swap_table, __bind */
  #swap(table: DmTable): DmTable | null {
    const mapper = this.#mapper!;
    const limits = this.#limitsWith(table, mapper);
    if (!sameLimits(limits, mapper.queue.limits)) mapper.queue.commitLimits(limits);
    this.#crypto.promise(mapper.queue, table);
    this.disk.setCapacity(table.sectors);
    mapper.setTable(table);
    const old = this.#live;
    this.#live = table;
    this.#inactive = null;
    return old;
  }

  /**
   * Those of the queue stay for a table without devices: I/O that waits for devices to come back is made for them.
   *
   * @throws BlkError EINVAL when the table does not fit them.
   * @kernel drivers/md/dm.c: dm_swap_table
   */
  #limitsWith(table: DmTable, mapper: DmMapper): QueueLimits {
    if (this.#live === null || table.devices().size > 0) return mapper.limitsOf(table.calculateLimits());
    const { limits } = mapper.queue;
    checkTargetAlignment(table.entries, limits.logicalBlockBytes);
    return limits;
  }

  async #resume(): Promise<void> {
    if (!this.#suspended) return;
    await this.#live!.resume();
    this.#suspended = false;
    this.#mapper!.unblock();
  }
}
