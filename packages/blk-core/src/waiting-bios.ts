import type { Bio } from "./bio.js";
import { BioList } from "./bio-list.js";
import { type Executor, Timer } from "./executor.js";

/** When to try again if no request ends that could help. */
const RETRY_DELAY_MS = 3;

/**
 * Bios that a queue could not take for want of a request, a split bio, an encryption context or an integrity payload.
 * They are taken again from the top, merging included, in the order in which they came.
 *
 * @kernel block/blk-mq-tag.c: blk_mq_get_tag, where the submitter sleeps
 */
export class WaitingBios {
  readonly #bios = new BioList();
  /** Those that have come while one was being taken: mostly that one, or its parts, which have to wait again. */
  readonly #again = new BioList();
  /** Bios in both. */
  #count = 0;
  readonly #executor: Executor;
  readonly #retryTimer: Timer;
  #resuming = false;
  /** A request has ended while a bio was being taken. */
  #askedAgain = false;

  constructor(executor: Executor, resume: () => void) {
    this.#executor = executor;
    this.#retryTimer = new Timer(resume);
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /**
   * One that was taken out and has to wait again keeps its place. Its parts, which hold split bios, stay in front of its
   * rest, which may wait for one.
   */
  add(bio: Bio): void {
    this.#count++;
    (this.#resuming ? this.#again : this.#bios).append(bio);
  }

  /** Nothing of this queue is under way whose end would resume the bios: what they lack, other queues' bios hold. */
  retryLater(): void {
    if (!this.isEmpty && !this.#retryTimer.pending) this.#executor.addTimer(this.#retryTimer, RETRY_DELAY_MS);
  }

  /** Forgets the timer; no bio may wait. */
  stop(): void {
    this.#executor.cancelTimer(this.#retryTimer);
  }

  /** The longest waiting bio, or null when none waits or another is being taken. */
  begin(): Bio | null {
    this.#askedAgain = this.#resuming;
    if (this.#resuming) return null;
    const bio = this.#bios.shift();
    if (bio === null) return null;
    this.#resuming = true;
    this.#count--;
    return bio;
  }

  /**
   * `bio` from `begin` has been taken. False when it waits again, and nothing has ended meanwhile that could help. What
   * has ended may be `bio` itself, and its submitter may have sent the same object again.
   */
  finish(bio: Bio): boolean {
    this.#resuming = false;
    this.#bios.prependAll(this.#again);
    return this.#askedAgain || this.#bios.first !== bio;
  }
}
