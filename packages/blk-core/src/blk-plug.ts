import type { Bio } from "./bio.js";
import { attemptBioMerge, attemptMerge, MergeResult } from "./blk-merge.js";
import type { BlkMqQueue } from "./blk-mq.js";
import type { BlkRequest } from "./blk-request.js";
import { RequestList } from "./request-list.js";

/** Requests held for one queue. @kernel block/blk.h: BLK_MAX_REQUEST_COUNT */
const MAX_PLUGGED = 32;
/** Requests held when they are for several queues. @kernel block/blk-mq.c: blk_plug_max_rq_count */
const MAX_PLUGGED_MANY_QUEUES = 64;
/** @kernel block/blk.h: BLK_PLUG_FLUSH_SIZE */
const FLUSH_BYTES = 128 * 1024;

/**
 * Requests held back so that neighbours can merge with them. They hold their keyslots already, not yet tags.
 *
 * @kernel include/linux/blkdev.h: blk_plug
 */
export class BlkPlug {
  /** Open `startPlug` calls. */
  depth = 0;
  readonly #held = new RequestList();
  #manyQueues = false;

  /** Merges a bio into the latest held request of its queue. @kernel block/blk-merge.c: blk_attempt_plug_merge */
  tryMerge(bio: Bio): boolean {
    const rq = this.#latestOf(bio.bdev!.queue);
    if (rq === null || attemptBioMerge(rq, bio) !== MergeResult.OK) return false;
    this.#joinWithEarlier(rq);
    return true;
  }

  /** Holds a request; a long list or a large request is sent on. @kernel block/blk-mq.c: blk_add_rq_to_plug */
  add(rq: BlkRequest): void {
    const last = this.#held.last;
    const maxPlugged = this.#manyQueues ? MAX_PLUGGED_MANY_QUEUES : MAX_PLUGGED;
    if (this.#held.count >= maxPlugged || (last !== null && last.bytes >= FLUSH_BYTES)) this.flush(true);
    else if (last !== null && last.queue !== rq.queue) this.#manyQueues = true;
    if (this.#held.first === null) rq.queue.layer.tracepoints.blockPlug.emit?.(rq.queue);
    this.#held.append(rq);
  }

  /**
   * Sends all held requests to their queues, one queue after the other. `explicit` is false when the submitter is about
   * to wait.
   *
   * @kernel block/blk-mq.c: blk_mq_flush_plug_list
   */
  flush(explicit: boolean): void {
    while (this.#held.first !== null) {
      const queue = this.#held.first.queue;
      queue.layer.tracepoints.blockUnplug.emit?.(queue, this.#countOf(queue), explicit);
      for (let rq = this.#firstOf(queue); rq !== null; rq = this.#firstOf(queue)) {
        this.#held.remove(rq);
        queue.insert(rq);
      }
      queue.run();
    }
    this.#manyQueues = false;
  }

  /** A request that grew may now touch the one held before it. The later is freed. */
  #joinWithEarlier(rq: BlkRequest): void {
    const earlier = rq.prev;
    if (earlier === null || earlier.queue !== rq.queue) return;
    if (attemptMerge(earlier, rq)) this.#free(rq);
    else if (attemptMerge(rq, earlier)) this.#free(earlier);
  }

  #free(rq: BlkRequest): void {
    this.#held.remove(rq);
    rq.queue.freeRequest(rq);
  }

  #firstOf(queue: BlkMqQueue): BlkRequest | null {
    let rq = this.#held.first;
    while (rq !== null && rq.queue !== queue) rq = rq.next;
    return rq;
  }

  #countOf(queue: BlkMqQueue): number {
    let count = 0;
    for (let rq = this.#held.first; rq !== null; rq = rq.next) if (rq.queue === queue) count++;
    return count;
  }

  #latestOf(queue: unknown): BlkRequest | null {
    let rq = this.#held.last;
    while (rq !== null && rq.queue !== queue) rq = rq.prev;
    return rq;
  }
}
