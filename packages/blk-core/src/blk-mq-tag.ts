import { BlkBug, BlkError } from "./errors.js";
import { expectCount } from "./expect-count.js";

/** However many queues share the tags, each active one may hold this many. @kernel block/blk-mq.h: hctx_may_queue */
const MIN_SHARE = 4;

/** One hardware queue's side of `BlkMqTags`: what it holds, and its place among those that wait. */
export class TagUser {
  next: TagUser | null = null;
  /** Tags this user holds. */
  held = 0;
  waiting = false;
  /** Holds or waits for tags: shares are counted by active users. */
  active = false;
  /** Runs when a tag may be free for this user; it asks again and, refused, waits again. */
  readonly wake: () => void;

  constructor(wake: () => void) {
    this.wake = wake;
  }
}

/**
 * The tags of one hardware queue: numbers from 0 up to the device's depth, one for each request the driver owns. Block
 * queues (the logical units of one host) share them: each active one gets its part, and who waits is served in order.
 *
 * @kernel block/blk-mq-tag.c
 */
export class BlkMqTags {
  readonly depth: number;
  readonly #free: number[] = [];
  /** How many of `#free` are free: those from the start. */
  #freeCount: number;
  #activeUsers = 0;
  #firstWaiter: TagUser | null = null;
  #lastWaiter: TagUser | null = null;
  #waking = false;

  constructor(depth: number) {
    this.depth = depth;
    this.#freeCount = depth;
    for (let tag = depth - 1; tag >= 0; tag--) this.#free.push(tag);
  }

  /** Tags handed out. */
  get inUse(): number {
    return this.depth - this.#freeCount;
  }

  /** A tag, or -1 when all are in use or the user holds its share. @kernel block/blk-mq-tag.c: blk_mq_get_tag */
  tryGet(user: TagUser): number {
    if (!user.active) this.#activate(user);
    if (!this.#mayTake(user)) {
      if (user.held === 0 && !user.waiting) this.#deactivate(user);
      return -1;
    }
    user.held++;
    this.#freeCount--;
    return this.#free[this.#freeCount]!;
  }

  /** Queues the user to be woken when a tag is free for it; one that waits already keeps its place. */
  wait(user: TagUser): void {
    if (user.waiting) return;
    if (!user.active) this.#activate(user);
    user.waiting = true;
    if (this.#lastWaiter === null) this.#firstWaiter = user;
    else this.#lastWaiter.next = user;
    this.#lastWaiter = user;
  }

  /** @kernel block/blk-mq-tag.c: blk_mq_put_tag */
  put(user: TagUser, tag: number): void {
    if (user.held === 0) throw new BlkBug("a tag comes back from a queue that holds none");
    user.held--;
    this.#free[this.#freeCount] = tag;
    this.#freeCount++;
    if (user.held === 0 && !user.waiting) this.#deactivate(user);
    if (this.#firstWaiter !== null) this.#wakeWaiters();
  }

  #activate(user: TagUser): void {
    user.active = true;
    this.#activeUsers++;
  }

  #deactivate(user: TagUser): void {
    user.active = false;
    this.#activeUsers--;
  }

  /** @kernel block/blk-mq.h: hctx_may_queue */
  #mayTake(user: TagUser): boolean {
    if (this.#freeCount === 0) return false;
    if (this.#activeUsers <= 1) return true;
    return user.held < Math.max(Math.ceil(this.depth / this.#activeUsers), MIN_SHARE);
  }

  /** Wakes waiters in order while tags are free for them. A tag that comes back meanwhile is seen by this loop. */
  #wakeWaiters(): void {
    if (this.#waking) return;
    this.#waking = true;
    try {
      for (let user = this.#takeServableWaiter(); user !== null; user = this.#takeServableWaiter()) {
        user.wake();
        if (user.active && user.held === 0 && !user.waiting) this.#deactivate(user);
      }
    } finally {
      this.#waking = false;
    }
  }

  #takeServableWaiter(): TagUser | null {
    let before: TagUser | null = null;
    let user = this.#firstWaiter;
    while (user !== null && !this.#mayTake(user)) {
      before = user;
      user = user.next;
    }
    if (user === null) return null;
    if (before === null) this.#firstWaiter = user.next;
    else before.next = user.next;
    if (this.#lastWaiter === user) this.#lastWaiter = before;
    user.next = null;
    user.waiting = false;
    return user;
  }
}

export interface BlkMqTagSetOptions {
  /**
   * Requests a hardware queue of the device takes at a time, 1 to 10240.
   *
   * @default 128
   */
  queueDepth?: number;
  /**
   * Hardware queues of the device, each with its own tags, 1 to 1024.
   *
   * @default 1
   */
  nrHwQueues?: number;
}

/**
 * What a device can have in flight. Queues made over one set share its tags.
 *
 * @kernel include/linux/blk-mq.h: blk_mq_tag_set
 */
export class BlkMqTagSet {
  readonly queueDepth: number;
  /** One for each hardware queue. */
  readonly tags: readonly BlkMqTags[];

  /** @throws BlkError EINVAL */
  constructor(options: BlkMqTagSetOptions = {}) {
    this.queueDepth = options.queueDepth ?? 128;
    expectCount("blk_mq_alloc_tag_set", "queueDepth", this.queueDepth, 1, 10240);
    const nrHwQueues = options.nrHwQueues ?? 1;
    expectCount("blk_mq_alloc_tag_set", "nrHwQueues", nrHwQueues, 1, 1024);
    this.tags = Array.from({ length: nrHwQueues }, () => new BlkMqTags(this.queueDepth));
  }

  get nrHwQueues(): number {
    return this.tags.length;
  }

  /** Requests drivers own, over all hardware queues. */
  get inUse(): number {
    return this.tags.reduce((sum, tags) => sum + tags.inUse, 0);
  }
}

/** The set a queue is given, or one of its own of the depth it is given. @throws BlkError EINVAL when it is given both. */
export function tagSetOf(options: { tagSet?: BlkMqTagSet; queueDepth?: number }): BlkMqTagSet {
  const { tagSet, queueDepth } = options;
  if (tagSet === undefined) return new BlkMqTagSet(queueDepth === undefined ? {} : { queueDepth });
  if (queueDepth === undefined) return tagSet;
  throw new BlkError("EINVAL", "blk_mq_alloc_queue", "both queueDepth and tagSet are given, expected one");
}
