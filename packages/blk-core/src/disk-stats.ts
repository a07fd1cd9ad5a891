import type { IoClock } from "./io-clock.js";
import { type CountedIo, IoCounts, IoTicks } from "./io-counts.js";
import { opIsWrite, opOf, ReqOp } from "./opf.js";

const { DISCARD } = ReqOp;

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
 * Counts the I/O of a block device. A request belongs to the device of its first bio.
 *
 * @kernel include/linux/part_stat.h
 */
export class DiskStats {
  readonly #ticks: IoTicks;
  readonly #reads: IoCounts;
  readonly #writes: IoCounts;
  readonly #discards: IoCounts;
  #flushIos = 0;
  #flushMs = 0;

  /** @param disk the counters of the disk this is a partition of; null for a disk. */
  constructor(clock: IoClock, disk: DiskStats | null) {
    this.#ticks = new IoTicks(clock);
    this.#reads = new IoCounts(this.#ticks, disk === null ? null : disk.#reads);
    this.#writes = new IoCounts(this.#ticks, disk === null ? null : disk.#writes);
    this.#discards = new IoCounts(this.#ticks, disk === null ? null : disk.#discards);
  }

  get inFlightReads(): number {
    return this.#reads.inFlight;
  }

  /** Discards and zeroing included. */
  get inFlightWrites(): number {
    return this.#writes.inFlight + this.#discards.inFlight;
  }

  /** Where an operation counts. @context hot. @kernel include/linux/blk_types.h: op_stat_group */
  countsOf(opf: number): IoCounts {
    if (!opIsWrite(opf)) return this.#reads;
    return opOf(opf) === DISCARD ? this.#discards : this.#writes;
  }

  /** The disk has been flushed. @kernel block/blk-flush.c: blk_account_io_flush */
  flushed(io: Pick<CountedIo, "startMs">): void {
    const { clock } = this.#ticks;
    clock.refresh();
    this.#flushIos++;
    this.#flushMs += clock.ms - io.startMs;
  }

  /** All counters, as of now. @kernel block/genhd.c: diskstats_show */
  snapshot(): DiskStatsSnapshot {
    const [ticks, reads, writes, discards] = [this.#ticks, this.#reads, this.#writes, this.#discards];
    return {
      readIos: reads.ios,
      readMerges: reads.merges,
      readSectors: reads.sectors,
      readMs: reads.ms,
      writeIos: writes.ios,
      writeMerges: writes.merges,
      writeSectors: writes.sectors,
      writeMs: writes.ms,
      inFlight: ticks.inFlight,
      ioTicksMs: ticks.ms,
      timeInQueueMs: reads.ms + writes.ms + discards.ms + this.#flushMs,
      discardIos: discards.ios,
      discardMerges: discards.merges,
      discardSectors: discards.sectors,
      discardMs: discards.ms,
      flushIos: this.#flushIos,
      flushMs: this.#flushMs,
    };
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
