import { type BlkRequest, BlkStatus, Timer } from "@inlinecrypt/blk-core";

/** A request inside a `SimDisk`; in flight exactly while its timer is pending. */
export class SimCommand {
  readonly rq: BlkRequest;
  readonly timer: Timer;
  /** How it will end, if nothing else goes wrong. */
  status: BlkStatus = BlkStatus.OK;
  /** Its number among all commands of the disk. */
  order = 0;
  /** A flush covers what was written before the disk got it. */
  flushTo = 0;

  constructor(rq: BlkRequest, end: (command: SimCommand) => void) {
    this.rq = rq;
    this.timer = new Timer(() => end(this));
  }
}
