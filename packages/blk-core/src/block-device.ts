import { SECTOR_BYTES } from "./bio.js";
import { discardRange, flushDevice, transfer, zeroRange } from "./block-device-io.js";
import type { DiskStats, DiskStatsSnapshot } from "./disk-stats.js";
import { BlkError } from "./errors.js";
import type { GenDisk } from "./gendisk.js";
import { ReqFlag, ReqOp } from "./opf.js";
import type { RequestQueue } from "./request-queue.js";

export interface WriteOptions {
  /** Resolve only when the data is on the medium. */
  fua?: boolean;
}

/**
 * A run of sectors that bios can be sent to: a whole disk or a partition of it. The promise methods are for control
 * paths, tests and small programs; they check, allocate bios, submit and wait.
 *
 * @kernel include/linux/blk_types.h: block_device
 */
export class BlockDevice {
  readonly name: string;
  readonly disk: GenDisk;
  readonly queue: RequestQueue;
  readonly startSector: number;
  readonly readOnly: boolean;
  /** Its I/O so far; see `stat`. */
  readonly stats: DiskStats;
  #sectorCount: number;

  constructor(
    disk: GenDisk,
    name: string,
    startSector: number,
    sectorCount: number,
    readOnly: boolean,
    stats: DiskStats,
  ) {
    this.disk = disk;
    this.queue = disk.queue;
    this.name = name;
    this.startSector = this.#wholeBlocks(startSector, "first sector");
    this.#sectorCount = this.#wholeBlocks(sectorCount, "sector count");
    this.readOnly = readOnly;
    this.stats = stats;
  }

  /** Size in sectors. */
  get sectorCount(): number {
    return this.#sectorCount;
  }

  /** For `GenDisk.setCapacity`. */
  setSectorCount(sectorCount: number): void {
    this.#sectorCount = this.#wholeBlocks(sectorCount, "sector count");
  }

  /** Size in bytes. */
  get bytes(): number {
    return this.sectorCount * SECTOR_BYTES;
  }

  /** The device's /proc/diskstats fields now. Bio-based drivers count only what they count themselves. */
  stat(): DiskStatsSnapshot {
    return this.stats.snapshot();
  }

  /**
   * Reads `into.length` bytes at `byteOffset`; both multiples of the logical block.
   *
   * @throws BlkError EINVAL for a bad range, else what the device said (EIO, ENODATA, ...).
   */
  read(byteOffset: number, into: Uint8Array): Promise<void> {
    return transfer(this, null, ReqOp.READ, byteOffset, into);
  }

  /** Writes all of `from` at `byteOffset`. @throws BlkError EINVAL, EPERM on a read-only device, else the device's error. */
  write(byteOffset: number, from: Uint8Array, options: WriteOptions = {}): Promise<void> {
    return transfer(this, null, ReqOp.WRITE | (options.fua ? ReqFlag.FUA : 0), byteOffset, from);
  }

  /** Resolves when every write that has ended is on the medium. @kernel block/blk-flush.c: blkdev_issue_flush */
  flush(): Promise<void> {
    return flushDevice(this);
  }

  /** Says the range's contents are not needed. @throws BlkError EOPNOTSUPP when the device cannot. @kernel block/blk-lib.c: blkdev_issue_discard */
  discard(byteOffset: number, bytes: number): Promise<void> {
    return discardRange(this, byteOffset, bytes);
  }

  /** Makes the range read as zeroes. @kernel block/blk-lib.c: blkdev_issue_zeroout */
  writeZeroes(byteOffset: number, bytes: number): Promise<void> {
    return zeroRange(this, null, byteOffset, bytes);
  }

  /** @kernel block/ioctl.c: blkpg_do_ioctl */
  #wholeBlocks(sectors: number, what: string): number {
    const blockSectors = this.queue.limits.logicalBlockBytes / SECTOR_BYTES;
    if (Number.isInteger(sectors) && sectors >= 0 && sectors % blockSectors === 0) return sectors;
    throw new BlkError(
      "EINVAL",
      this.name,
      `${what} ${sectors}, expected a multiple of ${blockSectors} (the logical block)`,
    );
  }
}
