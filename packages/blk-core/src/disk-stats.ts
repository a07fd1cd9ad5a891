import type { IoClock } from "./io-clock.js";
import { opIsWrite, opOf, ReqOp } from "./opf.js";

/** What is counted together for one kind of operation. @kernel include/linux/part_stat.h: disk_stats */
class IoCounts {
  ios = 0;
  merges = 0;
  sectors = 0;
  ms = 0;
}

/** Something that takes time, from `start` on. */
export interface TimedIo {
  /** Set by `start`. */
  startMs: number;
}

/**
 * The fields of a line of /proc/diskstats behind the name, in their order. Times are milliseconds, sectors have 512 bytes.
 *
 * @kernel Documentation/admin-guide/iostats.rst
 */
export interface DiskStatsSnapshot {
  readonly readIos: number;
  readonly readMerges: number;
  readonly readSectors: number;
  readonly readMs: number;
  readonly writeIos: number;
  readonly writeMerges: number;
  readonly writeSectors: number;
  readonly writeMs: number;
  /** Requests now under way. */
  readonly inFlight: number;
  /** Time with at least one under way. */
  readonly ioTicksMs: number;
  /** Sum of all requests' times. */
  readonly timeInQueueMs: number;
  readonly discardIos: number;
  readonly discardMerges: number;
  readonly discardSectors: number;
  readonly discardMs: number;
  /** Flushes the device did, for the whole disk only; one may serve many waiters. */
  readonly flushIos: number;
  readonly flushMs: number;
}

/**
 * Counts the I/O of a block device. What a partition counts its disk counts too. A request belongs to the device of its
 * first bio.
 *
 * @kernel include/linux/part_stat.h; block/blk-core.c: update_io_ticks
 */
export class DiskStats {
  readonly #clock: IoClock;
  readonly #disk: DiskStats | null;
  readonly #reads = new IoCounts();
  readonly #writes = new IoCounts();
  readonly #discards = new IoCounts();
  readonly #flushes = new IoCounts();
  #inFlightReads = 0;
  #inFlightWrites = 0;
  /** Time with I/O in flight. */
  #ioTicksMs = 0;
  /** When that was last brought up to date. */
  #stampMs = 0;

  /** @param disk the counters of the disk this is a partition of; null for a disk. */
  constructor(clock: IoClock, disk: DiskStats | null) {
    this.#clock = clock;
    this.#disk = disk;
  }

  get inFlightReads(): number {
    return this.#inFlightReads;
  }

  /** Discards and zeroing included. */
  get inFlightWrites(): number {
    return this.#inFlightWrites;
  }

  /** A request starts, now. @context hot. @kernel block/blk-mq.c: blk_account_io_start */
  start(opf: number, io: TimedIo): void {
    this.#tick(false);
    io.startMs = this.#clock.ms;
    this.#addInFlight(opf, 1);
    if (this.#disk !== null) this.#disk.start(opf, io);
  }

  /** A request is done. @context hot. @kernel block/blk-mq.c: blk_account_io_done */
  done(opf: number, io: TimedIo): void {
    const counts = this.#countsOf(opf);
    this.#tick(true);
    counts.ios++;
    counts.ms += this.#clock.ms - io.startMs;
    this.#addInFlight(opf, -1);
    if (this.#disk !== null) this.#disk.done(opf, io);
  }

  /** Part of a request has moved. @context hot. @kernel block/blk-mq.c: blk_account_io_completion */
  moved(opf: number, sectors: number): void {
    this.#countsOf(opf).sectors += sectors;
    if (this.#disk !== null) this.#disk.moved(opf, sectors);
  }

  /** A bio has joined a request. @context hot. @kernel block/blk-merge.c: blk_account_io_merge_bio */
  mergedBio(opf: number): void {
    this.#countsOf(opf).merges++;
    if (this.#disk !== null) this.#disk.mergedBio(opf);
  }

  /** A request that had started has joined another. @kernel block/blk-merge.c: blk_account_io_merge_request */
  mergedRequest(opf: number): void {
    this.#countsOf(opf).merges++;
    this.#addInFlight(opf, -1);
    if (this.#disk !== null) this.#disk.mergedRequest(opf);
  }

  /** The disk has been flushed. @kernel block/blk-flush.c: blk_account_io_flush */
  flushed(io: TimedIo): void {
    this.#clock.refresh();
    this.#flushes.ios++;
    this.#flushes.ms += this.#clock.ms - io.startMs;
  }

  /** All counters, as of now. @kernel block/genhd.c: diskstats_show */
  snapshot(): DiskStatsSnapshot {
    const inFlight = this.#inFlightReads + this.#inFlightWrites;
    if (inFlight > 0) this.#tick(true);
    const [reads, writes, discards, flushes] = [this.#reads, this.#writes, this.#discards, this.#flushes];
    return {
      readIos: reads.ios,
      readMerges: reads.merges,
      readSectors: reads.sectors,
      readMs: reads.ms,
      writeIos: writes.ios,
      writeMerges: writes.merges,
      writeSectors: writes.sectors,
      writeMs: writes.ms,
      inFlight,
      ioTicksMs: this.#ioTicksMs,
      timeInQueueMs: reads.ms + writes.ms + discards.ms + flushes.ms,
      discardIos: discards.ios,
      discardMerges: discards.merges,
      discardSectors: discards.sectors,
      discardMs: discards.ms,
      flushIos: flushes.ios,
      flushMs: flushes.ms,
    };
  }

  /** @kernel include/linux/blk_types.h: op_stat_group */
  #countsOf(opf: number): IoCounts {
    if (opOf(opf) === ReqOp.DISCARD) return this.#discards;
    return opIsWrite(opf) ? this.#writes : this.#reads;
  }

  #addInFlight(opf: number, amount: 1 | -1): void {
    if (opIsWrite(opf)) this.#inFlightWrites += amount;
    else this.#inFlightReads += amount;
  }

  /** Time counts from one event to the next if something was in flight between them; at an `end` something was. */
  #tick(end: boolean): void {
    this.#clock.refresh();
    const sinceMs = this.#clock.ms - this.#stampMs;
    if (sinceMs <= 0) return;
    if (end || this.#inFlightReads + this.#inFlightWrites > 0) this.#ioTicksMs += sinceMs;
    this.#stampMs = this.#clock.ms;
  }
}

/** The fields as one line of `/sys/block/<disk>/stat`, whole milliseconds. @kernel block/genhd.c: part_stat_show */
export function formatDiskStats(stats: DiskStatsSnapshot): string {
  const { readIos, readMerges, readSectors, readMs, writeIos, writeMerges, writeSectors, writeMs } = stats;
  const { inFlight, ioTicksMs, timeInQueueMs } = stats;
  const { discardIos, discardMerges, discardSectors, discardMs, flushIos, flushMs } = stats;
  const reads = [readIos, readMerges, readSectors, readMs];
  const writes = [writeIos, writeMerges, writeSectors, writeMs];
  const discards = [discardIos, discardMerges, discardSectors, discardMs];
  const fields = [...reads, ...writes, inFlight, ioTicksMs, timeInQueueMs, ...discards, flushIos, flushMs];
  return fields.map(Math.floor).join(" ");
}
