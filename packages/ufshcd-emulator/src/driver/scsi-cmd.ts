import type { BlkRequest } from "@inlinecrypt/blk-core";
import type { Disposition } from "./scsi-disposition.js";

/** How often a command is tried again. @kernel drivers/scsi/sd.h: SD_MAX_RETRIES */
export const MAX_RETRIES = 5;

/** How soon a command is offered again that the device had no room for. @kernel drivers/scsi/scsi_lib.c: SCSI_QUEUE_DELAY */
export const NO_ROOM_DELAY_MS = 3;

/**
 * What the driver remembers about a request over all its tries.
 *
 * @kernel include/scsi/scsi_cmnd.h: scsi_cmnd
 */
export class ScsiCmd {
  #retries = 0;
  /** When the device first had no room for it; NaN: it had. */
  #noRoomSinceMs = Number.NaN;

  /**
   * Ends the request, or has it tried again. A device without room is asked for as long as the command may take with
   * all its retries.
   *
   * @context interrupt
   * @kernel drivers/scsi/scsi_lib.c: scsi_complete
   */
  finish(rq: BlkRequest, { action, status }: Disposition, timeoutMs: number): void {
    if (action === "retry" && this.#retries < MAX_RETRIES) {
      this.#retries++;
      return rq.queue.requeue(rq);
    }
    if (action === "requeue" && this.#mayWait(rq, timeoutMs)) {
      rq.queue.requeue(rq, false);
      return rq.queue.requeueList.kickAfter(NO_ROOM_DELAY_MS);
    }
    this.#retries = 0;
    this.#noRoomSinceMs = Number.NaN;
    rq.complete(status);
  }

  #mayWait(rq: BlkRequest, timeoutMs: number): boolean {
    const nowMs = rq.queue.layer.executor.nowMs();
    if (Number.isNaN(this.#noRoomSinceMs)) this.#noRoomSinceMs = nowMs;
    return nowMs - this.#noRoomSinceMs < (MAX_RETRIES + 1) * timeoutMs;
  }
}

/** The `ScsiCmd` of a request. */
export function scsiCmdOf(rq: BlkRequest): ScsiCmd {
  return rq.driverData as ScsiCmd;
}
