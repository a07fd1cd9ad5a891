import type { Bio } from "./bio.js";
import type { BioSet } from "./bio-set.js";
import type { RequestPool } from "./blk-mq-request-pool.js";
import { bytesWithinLimits, fitsAsItIs, SplitResult } from "./blk-split.js";
import { ReqFlag } from "./opf.js";
import type { RequestQueue } from "./request-queue.js";
import { BlkStatus } from "./status.js";

const { AGAIN, OK } = BlkStatus;
const { NOWAIT } = ReqFlag;

/** Bios of one queue that may be split at a time. */
const SPLIT_BIOS = 64;

/**
 * Cuts bios to the limits of a queue.
 *
 * @kernel block/blk-merge.c: __bio_split_to_limits
 */
export class BioSplitter {
  readonly #queue: RequestQueue;
  readonly #splitBios: BioSet;
  readonly #result = new SplitResult();
  /** Takes a bio that must wait until a split bio is free. */
  readonly #wait: (bio: Bio) => void;

  constructor(queue: RequestQueue, wait: (bio: Bio) => void) {
    this.#queue = queue;
    this.#splitBios = queue.layer.newBioSet("bio_split", SPLIT_BIOS);
    this.#wait = wait;
  }

  /**
   * The part of the bio to go down now: `bio`, or a front part of it, and then `bio` is the rest, to be submitted next.
   * Null when the bio has ended or waits. Nothing is cut while `requests` has none for a part: parts that wait for
   * requests, behind the bios they belong to, could take all split bios.
   */
  split(bio: Bio, requests: RequestPool): Bio | null {
    if (fitsAsItIs(bio, this.#queue.limits)) {
      bio.segmentCount = 1;
      return bio;
    }
    if (bio.bytes === 0) return bio;
    return this.#splitMeasured(bio, requests);
  }

  #splitMeasured(bio: Bio, requests: RequestPool): Bio | null {
    const result = this.#result;
    bytesWithinLimits(bio, this.#queue.limits, result);
    if (result.status !== OK) return endWith(bio, result.status);
    if (result.bytes < bio.bytes) return this.#cut(bio, result.bytes, requests.hasFree);
    bio.segmentCount = result.segmentCount;
    return bio;
  }

  /** @kernel block/blk-merge.c: bio_submit_split */
  #cut(bio: Bio, bytes: number, mayCut: boolean): Bio | null {
    if ((bio.opf & NOWAIT) !== 0) return endWith(bio, AGAIN);
    const front = mayCut ? this.#splitBios.trySplit(bio, bytes) : null;
    if (front === null) {
      this.#wait(bio);
      return null;
    }
    front.segmentCount = this.#result.segmentCount;
    bio.chain(front);
    this.#queue.layer.tracepoints.blockSplit.emit?.(front, bio.sector);
    return front;
  }
}

function endWith(bio: Bio, status: BlkStatus): null {
  bio.endIoWith(status);
  return null;
}
