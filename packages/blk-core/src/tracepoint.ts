import type { Bio } from "./bio.js";
import type { BlkRequest } from "./blk-request.js";
import type { BlockDevice } from "./block-device.js";
import type { RequestQueue } from "./request-queue.js";
import type { BlkStatus } from "./status.js";

/**
 * A place in the block layer that tells what happens there to those who listen. Listeners run in the middle of that
 * place: they look, count and print; they neither submit nor change anything, and keep no bio or request.
 *
 * @kernel include/linux/tracepoint.h: tracepoint
 */
export class Tracepoint<Args extends readonly unknown[]> {
  /** The kernel's name: `"block_rq_issue"`. */
  readonly name: string;
  /** Calls all listeners; null without any, so that `tracepoint.emit?.(rq)` then costs no more than the look. */
  emit: ((...args: Args) => void) | null = null;
  #listeners: readonly ((...args: Args) => void)[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Calls `listener` from now on, until the function it returns is called. */
  subscribe(listener: (...args: Args) => void): () => void {
    // A listener of its own for every subscription, so that one function may subscribe twice.
    const own = (...args: Args): void => listener(...args);
    this.#set([...this.#listeners, own]);
    return () => this.#set(this.#listeners.filter((other) => other !== own));
  }

  #set(listeners: readonly ((...args: Args) => void)[]): void {
    this.#listeners = listeners;
    const callAll = (...args: Args): void => {
      for (const listener of listeners) listener(...args);
    };
    this.emit = listeners.length === 0 ? null : callAll;
  }
}

/**
 * The tracepoints of a block layer: its life, step by step, for everyone who wants to watch or count. What nobody else
 * is told of, a refused profile, a failed check, is warned of through the layer's `Tracer` instead.
 *
 * @kernel include/trace/events/block.h
 */
export class BlockTracepoints {
  /** A bio is about to go to its queue; once a bio, not again for what is left after a split. */
  readonly blockBioQueue: Tracepoint<[bio: Bio]> = new Tracepoint("block_bio_queue");
  /** A bio's place has been translated: from `fromSector` of `from` to where it is now. */
  readonly blockBioRemap: Tracepoint<[bio: Bio, from: BlockDevice, fromSector: number]> = new Tracepoint(
    "block_bio_remap",
  );
  /** A bio is split: what is left starts at `newSector`. */
  readonly blockSplit: Tracepoint<[bio: Bio, newSector: number]> = new Tracepoint("block_split");
  /** A bio joins the end of a request. */
  readonly blockBioBackmerge: Tracepoint<[bio: Bio, rq: BlkRequest]> = new Tracepoint("block_bio_backmerge");
  /** A bio joins the front of a request. */
  readonly blockBioFrontmerge: Tracepoint<[bio: Bio, rq: BlkRequest]> = new Tracepoint("block_bio_frontmerge");
  /** A bio has ended that no request carried to its end: those are told of by `blockRqComplete`. */
  readonly blockBioComplete: Tracepoint<[bio: Bio]> = new Tracepoint("block_bio_complete");
  /** A bio has got a request of its own. */
  readonly blockGetrq: Tracepoint<[bio: Bio]> = new Tracepoint("block_getrq");
  /** The first request is held back. */
  readonly blockPlug: Tracepoint<[queue: RequestQueue]> = new Tracepoint("block_plug");
  /** `depth` held requests of a queue are sent on; `explicit`: because the plug is finished, not because someone waits. */
  readonly blockUnplug: Tracepoint<[queue: RequestQueue, depth: number, explicit: boolean]> = new Tracepoint(
    "block_unplug",
  );
  /** A request is put into the elevator or the list of those to dispatch. */
  readonly blockRqInsert: Tracepoint<[rq: BlkRequest]> = new Tracepoint("block_rq_insert");
  /** A request is handed to the driver. */
  readonly blockRqIssue: Tracepoint<[rq: BlkRequest]> = new Tracepoint("block_rq_issue");
  /** A request has been merged into another and is about to be freed. */
  readonly blockRqMerge: Tracepoint<[rq: BlkRequest]> = new Tracepoint("block_rq_merge");
  /** A request comes back from the driver to be offered again. */
  readonly blockRqRequeue: Tracepoint<[rq: BlkRequest]> = new Tracepoint("block_rq_requeue");
  /** The first `bytes` of a request are done, which may be all of it. */
  readonly blockRqComplete: Tracepoint<[rq: BlkRequest, status: BlkStatus, bytes: number]> = new Tracepoint(
    "block_rq_complete",
  );
}
