import type { QueueLimits, RequestQueue } from "@inlinecrypt/blk-core";
import type { DmTable } from "./dm-table.js";

/**
 * How a mapped device takes I/O: as bios or as requests. While it is blocked new I/O waits.
 *
 * @kernel include/linux/device-mapper.h: enum dm_queue_mode
 */
export interface DmMapper {
  readonly queue: RequestQueue;
  /** Where I/O goes from now on; null: it fails. */
  setTable(table: DmTable | null): void;
  /** New I/O waits. `noflush`: so does what targets give back. @kernel DMF_BLOCK_IO_FOR_SUSPEND, DMF_NOFLUSH_SUSPENDING */
  block(noflush: boolean): void;
  /** What has waited goes on. */
  unblock(): void;
  /** Resolves when all I/O has ended that targets have, to true, or at `cancelIdle`, to false. */
  whenIdle(): Promise<boolean>;
  cancelIdle(): void;
  /** What targets gave back is offered again at once. */
  kick(): void;
  /** The limits of the queue, from those of the table. */
  limitsOf(limits: QueueLimits): QueueLimits;
  /** Ends what waits with IOERR, and what comes from now on. */
  fail(): void;
}
