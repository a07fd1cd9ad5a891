import { type BlkRequest, opOf, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";

/** What a disk has seen: a test that wants something to happen asserts that it did. */
export class SimDiskSeen {
  reads = 0;
  /** FUA writes included. */
  writes = 0;
  fuaWrites = 0;
  flushes = 0;
  discards = 0;
  writeZeroes = 0;
  /** Requests that ended, or were refused, because of the fault plan; late ones included. */
  faults = 0;
  /** Requests that ended after one that came later. */
  overtaken = 0;
  powerCuts = 0;
  /** Requests that a power cut ended. */
  cutRequests = 0;
}

/** Counts a request by its operation. */
export function countRequest(seen: SimDiskSeen, rq: BlkRequest): void {
  switch (opOf(rq.opf)) {
    case ReqOp.READ:
      seen.reads++;
      break;
    case ReqOp.WRITE:
      seen.writes++;
      if ((rq.opf & ReqFlag.FUA) !== 0) seen.fuaWrites++;
      break;
    case ReqOp.FLUSH:
      seen.flushes++;
      break;
    case ReqOp.DISCARD:
      seen.discards++;
      break;
    case ReqOp.WRITE_ZEROES:
      seen.writeZeroes++;
  }
}
