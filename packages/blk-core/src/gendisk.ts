import type { SysfsFiles } from "./blk-crypto.js";
import { BlockDevice } from "./block-device.js";
import { DiskStats } from "./disk-stats.js";
import { BlkError } from "./errors.js";
import type { RequestQueue } from "./request-queue.js";

export interface GenDiskOptions {
  /** As it appears in messages: `"loop0"`. */
  name: string;
  queue: RequestQueue;
  /** Size in 512-byte sectors, a multiple of the logical block. */
  sectorCount: number;
  /** @default false */
  readOnly?: boolean;
}

/**
 * A disk: a queue, a size, and the block device that covers it all.
 *
 * @kernel include/linux/blkdev.h: gendisk
 */
export class GenDisk {
  readonly name: string;
  readonly queue: RequestQueue;
  /** The whole disk. */
  readonly part0: BlockDevice;
  /**
   * `queue/crypto` of sysfs, null when the queue had no crypto profile as the disk came into being: one it gets later
   * makes no directory.
   *
   * @kernel block/blk-crypto-sysfs.c: blk_crypto_sysfs_register
   */
  readonly cryptoSysfs: SysfsFiles | null;

  constructor(options: GenDiskOptions) {
    this.name = options.name;
    this.queue = options.queue;
    const readOnly = options.readOnly ?? false;
    this.part0 = new BlockDevice(
      this,
      options.name,
      0,
      options.sectorCount,
      readOnly,
      new DiskStats(options.queue.layer.ioClock, null),
    );
    this.cryptoSysfs = this.queue.cryptoProfile.sysfsFiles?.() ?? null;
    this.queue.disk = this;
  }

  /**
   * A block device for a part of the disk.
   *
   * @throws BlkError EINVAL when the range lies outside the disk, or its start or size is no multiple of the logical block.
   */
  partition(name: string, startSector: number, sectorCount: number): BlockDevice {
    if (startSector < 0 || startSector + sectorCount > this.part0.sectorCount) {
      throw new BlkError(
        "EINVAL",
        name,
        `sectors ${startSector} to ${startSector + sectorCount} lie outside ${this.name}`,
      );
    }
    const stats = new DiskStats(this.queue.layer.ioClock, this.part0.stats);
    return new BlockDevice(this, name, startSector, sectorCount, this.part0.readOnly, stats);
  }

  /**
   * Changes the size, in sectors. I/O under way beyond a smaller one is its driver's to end.
   *
   * @throws BlkError EINVAL when it is no multiple of the logical block.
   * @kernel block/genhd.c: set_capacity
   */
  setCapacity(sectorCount: number): void {
    this.part0.setSectorCount(sectorCount);
  }

  /**
   * Refuses new I/O and resolves when all that the queue counts has ended: requests. Bios that a bio-based driver has
   * taken and not ended are its own to wait for.
   *
   * @kernel block/genhd.c: del_gendisk
   */
  close(): Promise<void> {
    return this.queue.drain();
  }
}
