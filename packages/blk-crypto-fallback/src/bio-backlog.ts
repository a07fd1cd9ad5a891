import {
  type Bio,
  BioList,
  BlkStatus,
  type Executor,
  type Pool,
  PoolWaiter,
  ReqFlag,
  WorkItem,
} from "@inlinecrypt/blk-core";

/** What became of a bio: no longer ours, to be continued, or in need of an object while none is free. */
export const Progress = { DONE: 0, MORE: 1, STALLED: 2 } as const;
export type Progress = (typeof Progress)[keyof typeof Progress];

/** Bytes served in a row before other work gets its turn. */
const TURN_BYTES = 1 << 20;

/**
 * Bios that could not be served at once, first come first served. They wait for an object of a pool or, served in
 * parts, for their next turn. Waiting allocates nothing: the bios themselves are the list.
 */
export class BioBacklog {
  readonly #waiting = new BioList();
  readonly #executor: Executor;
  readonly #pool: Pool<unknown>;
  readonly #serve: (bio: Bio) => Progress;
  readonly #work = new WorkItem(() => this.#serveWaiting());
  readonly #poolWaiter = new PoolWaiter(() => this.#executor.queueWork(this.#work));

  /** `serve` works on a bio as far as it gets; STALLED says that `pool` had nothing for it. */
  constructor(executor: Executor, pool: Pool<unknown>, serve: (bio: Bio) => Progress) {
    this.#executor = executor;
    this.#pool = pool;
    this.#serve = serve;
  }

  get isEmpty(): boolean {
    return this.#waiting.first === null;
  }

  /** Serves a bio now if nobody waits and the pool has what it needs; else it waits, or ends with AGAIN if it must not. */
  submit(bio: Bio): void {
    const progress = this.isEmpty ? this.#serve(bio) : Progress.STALLED;
    if (progress === Progress.DONE) return;
    if (progress === Progress.STALLED && (bio.opf & ReqFlag.NOWAIT) !== 0) return bio.endIoWith(BlkStatus.AGAIN);
    this.#waiting.append(bio);
    this.#continueAfter(progress);
  }

  /** Takes back a bio of which `serve` has said DONE although more of it is to be served: it stands in line again. */
  resume(bio: Bio): void {
    this.#waiting.append(bio);
    this.#executor.queueWork(this.#work);
  }

  #serveWaiting(): void {
    let progress: Progress = Progress.DONE;
    for (let bytesLeft = TURN_BYTES; progress === Progress.DONE && bytesLeft > 0; ) {
      const bio = this.#waiting.shift();
      if (bio === null) return;
      bytesLeft -= bio.bytes;
      progress = this.#serve(bio);
      if (progress !== Progress.DONE) this.#waiting.prepend(bio);
    }
    if (!this.isEmpty) this.#continueAfter(progress);
  }

  #continueAfter(progress: Progress): void {
    // An allocation may fail although nothing is in use; then nobody would wake us.
    if (progress === Progress.STALLED && this.#pool.inUse > 0) this.#pool.wait(this.#poolWaiter);
    else this.#executor.queueWork(this.#work);
  }
}
