import type { Bio } from "./bio.js";
import { attemptBioMerge, MergeResult } from "./blk-merge.js";
import type { BlkRequest } from "./blk-request.js";
import { RequestList } from "./request-list.js";

/** @kernel block/blk.h: BLK_MAX_REQUEST_COUNT */
const MAX_PLUGGED = 32;
/** @kernel block/blk.h: BLK_PLUG_FLUSH_SIZE */
const FLUSH_BYTES = 128 * 1024;

/**
 * Requests held back so that neighbours can merge with them. They hold their tags and keyslots already.
 *
 * @kernel include/linux/blkdev.h: blk_plug
 */
export class BlkPlug {
  /** Open `startPlug` calls. */
  depth = 0;
  readonly #held = new RequestList();

  /** Merges a bio into a held request of its queue, the latest first. @kernel block/blk-merge.c: blk_attempt_plug_merge */
  tryMerge(bio: Bio): boolean {
    for (let rq = this.#held.last; rq !== null; rq = rq.prev) {
      if (rq.queue === bio.bdev!.queue) return attemptBioMerge(rq, bio) === MergeResult.OK;
    }
    return false;
  }

  /** Holds a request; a long list or a large request is sent on. @kernel block/blk-mq.c: blk_add_rq_to_plug */
  add(rq: BlkRequest): void {
    const last = this.#held.last;
    if (this.#held.count >= MAX_PLUGGED || (last !== null && last.bytes >= FLUSH_BYTES)) this.flush();
    this.#held.append(rq);
  }

  /** Sends all held requests to their queues. @kernel block/blk-mq.c: blk_mq_flush_plug_list */
  flush(): void {
    while (this.#held.first !== null) {
      const queue = this.#held.first.queue;
      while (this.#held.first !== null && this.#held.first.queue === queue) queue.insert(this.#held.shift()!);
      queue.run();
    }
  }
}
