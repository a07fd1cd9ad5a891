import type { BlockDevice, BlockLayer } from "@inlinecrypt/blk-core";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";

/** A device that a table names, held until the table goes. @kernel include/linux/device-mapper.h: dm_dev */
export interface DmDev {
  /** As the table names it, and prints it back: blanks and backslashes behind a backslash. */
  readonly name: string;
  readonly bdev: BlockDevice;
}

/**
 * Where a target lies, and what it may use: what a target type's `ctr` gets beside its arguments.
 *
 * @kernel include/linux/device-mapper.h: dm_target
 */
export interface DmTargetSpec {
  /** First sector of the mapped device that is the target's. */
  readonly begin: number;
  readonly sectors: number;
  readonly layer: BlockLayer;
  /** The ciphers there are, for targets that encrypt themselves; null: none. */
  readonly skcipherEngine: SkcipherEngine | null;
  /**
   * The device of a name.
   *
   * @throws BlkError ENODEV when there is none, EINVAL when it is the mapped device itself.
   * @kernel drivers/md/dm-table.c: dm_get_device
   */
  getDevice(name: string): DmDev;
  /**
   * The payload of a key in the keyring. The caller wipes its copy, not this.
   *
   * @throws BlkError ENOKEY when there is none.
   */
  keyringKey(type: string, description: string): Uint8Array;
  /** 0 to 2^32 - 1, at random. */
  random32(): number;
  /**
   * Requests that the target gave back are offered again at once.
   *
   * @kernel drivers/md/dm-table.c: dm_table_run_md_queue_async
   */
  runQueue(): void;
  /** Something has happened that `waitEvent` waits for. @kernel drivers/md/dm-table.c: dm_table_event */
  event(): void;
}
