import type { IoClock } from "./io-clock.js";

/** I/O that is counted, from `IoCounts.start` on. */
export interface CountedIo {
  /** Where it counts, until it is done; null: nowhere. */
  counts: IoCounts | null;
  /** When it started, on the layer's clock. */
  startMs: number;
}

/**
 * How long a device has had I/O in flight, however much.
 *
 * @kernel block/blk-core.c: update_io_ticks
 */
export class IoTicks {
  readonly clock: IoClock;
  inFlight = 0;
  /** Without the stretch under way. */
  #ms = 0;
  /** When that one started. */
  #busySinceMs = 0;

  constructor(clock: IoClock) {
    this.clock = clock;
  }

  /** As of now. */
  get ms(): number {
    if (this.inFlight === 0) return this.#ms;
    this.clock.refresh();
    return this.#ms + this.clock.ms - this.#busySinceMs;
  }

  /** Something starts; the clock is up to date. */
  start(): void {
    if (this.inFlight === 0) this.#busySinceMs = this.clock.ms;
    this.inFlight++;
  }

  /** It is done; the clock is up to date. */
  done(): void {
    this.inFlight--;
    if (this.inFlight === 0) this.#ms += this.clock.ms - this.#busySinceMs;
  }
}

/**
 * What a device counts together: its reads, its writes or its discards. What a partition counts its disk counts too.
 *
 * @kernel include/linux/part_stat.h: disk_stats
 */
export class IoCounts {
  ios = 0;
  merges = 0;
  sectors = 0;
  /** Of those that are done. */
  ms = 0;
  inFlight = 0;
  readonly #ticks: IoTicks;
  readonly #disk: IoCounts | null;

  /** @param disk the same of the disk this is a partition of; null for a disk. */
  constructor(ticks: IoTicks, disk: IoCounts | null) {
    this.#ticks = ticks;
    this.#disk = disk;
  }

  /** Something starts, now. @context hot. @kernel block/blk-mq.c: blk_account_io_start */
  start(io: CountedIo): void {
    const ticks = this.#ticks;
    ticks.clock.refresh();
    io.startMs = ticks.clock.ms;
    ticks.start();
    this.inFlight++;
    if (this.#disk !== null) this.#disk.start(io);
  }

  /** It is done. @context hot. @kernel block/blk-mq.c: blk_account_io_done */
  done(io: CountedIo): void {
    const ticks = this.#ticks;
    ticks.clock.refresh();
    this.ms += ticks.clock.ms - io.startMs;
    this.ios++;
    ticks.done();
    this.inFlight--;
    if (this.#disk !== null) this.#disk.done(io);
  }

  /** Part of it has moved. @context hot. @kernel block/blk-mq.c: blk_account_io_completion */
  moved(sectors: number): void {
    this.sectors += sectors;
    if (this.#disk !== null) this.#disk.moved(sectors);
  }

  /** A bio has joined a request. @context hot. @kernel block/blk-merge.c: blk_account_io_merge_bio */
  mergedBio(): void {
    this.merges++;
    if (this.#disk !== null) this.#disk.mergedBio();
  }

  /** A request that had started has joined another. @kernel block/blk-merge.c: blk_account_io_merge_request */
  mergedRequest(): void {
    this.merges++;
    this.#ticks.inFlight--;
    this.inFlight--;
    if (this.#disk !== null) this.#disk.mergedRequest();
  }
}
