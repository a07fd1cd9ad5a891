import { opIsWrite, opOf, ReqOp } from "./opf.js";

/** What is counted together. @kernel include/linux/blk_types.h: enum stat_group */
export const StatGroup = { READ: 0, WRITE: 1, DISCARD: 2, FLUSH: 3 } as const;
export type StatGroup = (typeof StatGroup)[keyof typeof StatGroup];

/** Where each group's counters begin. */
const IOS = 0;
const MERGES = 4;
const SECTORS = 8;
const MS = 12;
/** Time with I/O in flight, and when that was last brought up to date. */
const IO_TICKS = 16;
const STAMP = 17;
const COUNTERS = 18;

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
  readonly #disk: DiskStats | null;
  readonly #counters: Float64Array = new Float64Array(COUNTERS);
  #inFlightReads = 0;
  #inFlightWrites = 0;

  /** @param disk the counters of the disk this is a partition of; null for a disk. */
  constructor(disk: DiskStats | null) {
    this.#disk = disk;
  }

  get inFlightReads(): number {
    return this.#inFlightReads;
  }

  /** Discards and zeroing included. */
  get inFlightWrites(): number {
    return this.#inFlightWrites;
  }

  /** A request starts. @context hot. @kernel block/blk-mq.c: blk_account_io_start */
  start(opf: number, nowMs: number): void {
    for (let stats: DiskStats | null = this; stats !== null; stats = stats.#disk) {
      stats.#tick(nowMs, false);
      stats.#addInFlight(opf, 1);
    }
  }

  /** A request that started at `startMs` is done. @context hot. @kernel block/blk-mq.c: blk_account_io_done */
  done(opf: number, startMs: number, nowMs: number): void {
    const group = statGroupOf(opf);
    for (let stats: DiskStats | null = this; stats !== null; stats = stats.#disk) {
      stats.#tick(nowMs, true);
      stats.#add(IOS + group, 1);
      stats.#add(MS + group, nowMs - startMs);
      stats.#addInFlight(opf, -1);
    }
  }

  /** Part of a request has moved. @context hot. @kernel block/blk-mq.c: blk_account_io_completion */
  moved(opf: number, sectors: number): void {
    const group = statGroupOf(opf);
    for (let stats: DiskStats | null = this; stats !== null; stats = stats.#disk) stats.#add(SECTORS + group, sectors);
  }

  /** A bio has joined a request. @context hot. @kernel block/blk-merge.c: blk_account_io_merge_bio */
  mergedBio(opf: number): void {
    const group = statGroupOf(opf);
    for (let stats: DiskStats | null = this; stats !== null; stats = stats.#disk) stats.#add(MERGES + group, 1);
  }

  /** A request that had started has joined another. @kernel block/blk-merge.c: blk_account_io_merge_request */
  mergedRequest(opf: number): void {
    this.mergedBio(opf);
    for (let stats: DiskStats | null = this; stats !== null; stats = stats.#disk) stats.#addInFlight(opf, -1);
  }

  /** The disk has been flushed. @kernel block/blk-flush.c: blk_account_io_flush */
  flushed(startMs: number, nowMs: number): void {
    this.#add(IOS + StatGroup.FLUSH, 1);
    this.#add(MS + StatGroup.FLUSH, nowMs - startMs);
  }

  /** All counters, as of `nowMs`. @kernel block/genhd.c: diskstats_show */
  snapshot(nowMs: number): DiskStatsSnapshot {
    const inFlight = this.#inFlightReads + this.#inFlightWrites;
    if (inFlight > 0) this.#tick(nowMs, true);
    const count = (field: number, group: StatGroup): number => this.#counters[field + group]!;
    const { READ, WRITE, DISCARD, FLUSH } = StatGroup;
    return {
      readIos: count(IOS, READ),
      readMerges: count(MERGES, READ),
      readSectors: count(SECTORS, READ),
      readMs: count(MS, READ),
      writeIos: count(IOS, WRITE),
      writeMerges: count(MERGES, WRITE),
      writeSectors: count(SECTORS, WRITE),
      writeMs: count(MS, WRITE),
      inFlight,
      ioTicksMs: this.#counters[IO_TICKS]!,
      timeInQueueMs: count(MS, READ) + count(MS, WRITE) + count(MS, DISCARD) + count(MS, FLUSH),
      discardIos: count(IOS, DISCARD),
      discardMerges: count(MERGES, DISCARD),
      discardSectors: count(SECTORS, DISCARD),
      discardMs: count(MS, DISCARD),
      flushIos: count(IOS, FLUSH),
      flushMs: count(MS, FLUSH),
    };
  }

  #add(counter: number, amount: number): void {
    this.#counters[counter]! += amount;
  }

  #addInFlight(opf: number, amount: 1 | -1): void {
    if (opIsWrite(opf)) this.#inFlightWrites += amount;
    else this.#inFlightReads += amount;
  }

  /** Time counts from one event to the next if something was in flight between them; at an `end` something was. */
  #tick(nowMs: number, end: boolean): void {
    const since = nowMs - this.#counters[STAMP]!;
    if (since <= 0) return;
    if (end || this.#inFlightReads + this.#inFlightWrites > 0) this.#counters[IO_TICKS]! += since;
    this.#counters[STAMP] = nowMs;
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

/** @kernel include/linux/blk_types.h: op_stat_group */
function statGroupOf(opf: number): StatGroup {
  if (opOf(opf) === ReqOp.DISCARD) return StatGroup.DISCARD;
  return opIsWrite(opf) ? StatGroup.WRITE : StatGroup.READ;
}
