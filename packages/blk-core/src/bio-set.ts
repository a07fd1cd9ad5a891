import { Bio } from "./bio.js";
import type { BlockDevice } from "./block-device.js";
import { BlkBug } from "./errors.js";
import { Pool } from "./pool.js";
import { type FailAlloc, PoolWaiter, type Quota } from "./quota.js";

/**
 * A bounded set of bios, of which only so many have an encryption context at a time.
 *
 * @kernel block/bio.c: bioset_init
 */
export class BioSet {
  /** Contexts, shared with other sets. */
  readonly cryptCtxs: Quota;
  readonly #pool: Pool<Bio>;

  constructor(name: string, capacity: number, cryptCtxs: Quota, failAlloc: FailAlloc | null = null) {
    this.cryptCtxs = cryptCtxs;
    this.#pool = new Pool(name, capacity, () => new Bio(this), failAlloc);
  }

  get capacity(): number {
    return this.#pool.capacity;
  }

  /** Bios handed out and not put back. */
  get inUse(): number {
    return this.#pool.inUse;
  }

  /** An empty bio, or null when all are in use. @kernel block/bio.c: bio_alloc_bioset */
  tryAlloc(bdev: BlockDevice | null, opf: number): Bio | null {
    const bio = this.#pool.tryGet();
    if (bio !== null) bio.init(bdev, opf);
    return bio;
  }

  /** An empty bio, once one is free; for control paths. */
  async alloc(bdev: BlockDevice | null, opf: number): Promise<Bio> {
    for (;;) {
      const bio = this.tryAlloc(bdev, opf);
      if (bio !== null) return bio;
      await new Promise<void>((resolve) => this.wait(new PoolWaiter(resolve)));
    }
  }

  /** A clone of `source` that shares its memory, or null when bios or contexts have run out. @kernel block/bio.c: bio_alloc_clone */
  tryClone(source: Bio): Bio | null {
    const clone = this.#pool.tryGet();
    if (clone === null) return null;
    if (clone.initClone(source)) return clone;
    clone.put();
    return null;
  }

  /**
   * Cuts the first `bytes` off `bio` into a new bio, whose context keeps the starting DUN while the rest's moves on.
   * Neither is chained. Null when bios or contexts have run out: `bio` is as it was.
   *
   * @kernel block/bio.c: bio_split
   */
  trySplit(bio: Bio, bytes: number): Bio | null {
    if (bytes <= 0 || bytes >= bio.bytes) throw new BlkBug(`a bio of ${bio.bytes} bytes is split at ${bytes}`);
    const front = this.tryClone(bio);
    if (front === null) return null;
    front.bytes = bytes;
    bio.advance(bytes);
    return front;
  }

  /** Queues a waiter for a bio of this set. */
  wait(waiter: PoolWaiter): void {
    this.#pool.wait(waiter);
  }

  /** Takes a bio back; called by `Bio.put`. */
  release(bio: Bio): void {
    this.#pool.put(bio);
  }
}
