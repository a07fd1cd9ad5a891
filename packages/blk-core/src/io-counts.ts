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
  /** Time with I/O in flight, as of the last `advance`. */
  ms = 0;
  inFlight = 0;
  #stampMs = 0;
  #stampMoment = -1;

  constructor(clock: IoClock) {
    this.clock = clock;
  }

  /** Whether clock and time are up to date, as they have to be before anything starts or is done. */
  get isCurrent(): boolean {
    return this.clock.moment === this.#stampMoment;
  }

  /** Brings clock and time up to date. */
  advance(): void {
    this.clock.refresh();
    if (this.inFlight > 0) this.ms += this.clock.ms - this.#stampMs;
    this.#stampMs = this.clock.ms;
    this.#stampMoment = this.clock.msMoment;
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
    if (!ticks.isCurrent) ticks.advance();
    io.startMs = ticks.clock.ms;
    ticks.inFlight++;
    this.inFlight++;
    if (this.#disk !== null) this.#disk.start(io);
  }

  /** It is done. @context hot. @kernel block/blk-mq.c: blk_account_io_done */
  done(io: CountedIo): void {
    const ticks = this.#ticks;
    if (!ticks.isCurrent) ticks.advance();
    this.ms += ticks.clock.ms - io.startMs;
    this.ios++;
    ticks.inFlight--;
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
