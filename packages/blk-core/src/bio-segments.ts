import type { Bio } from "./bio.js";
import { NO_BYTES } from "./bio-vec.js";

/**
 * Walks the memory of a bio, or of all bios of a request, run by run, without allocating: keep one, `start` it, then
 * loop `while (segments.next())` over `data`, `offset` and `bytes`. Runs are whole: a driver whose device needs the
 * segments that `segmentCount` counts cuts them at `maxSegmentBytes` and the boundary itself.
 *
 * @kernel include/linux/blk-mq.h: rq_for_each_segment
 */
export class BioSegments {
  data: Uint8Array = NO_BYTES;
  offset = 0;
  bytes = 0;
  #bio: Bio | null = null;
  #bytesLeft = 0;
  #vecIndex = 0;
  #vecDone = 0;

  /** Starts at the current position of `bio` and goes on through the bios linked behind it. */
  start(bio: Bio | null): void {
    this.#enter(bio);
  }

  /** Moves to the next run; false at the end. */
  next(): boolean {
    while (this.#bytesLeft === 0) {
      if (this.#bio === null) return this.#stop();
      this.#enter(this.#bio.next);
    }
    const vec = this.#bio!.vecs[this.#vecIndex]!;
    this.data = vec.data;
    this.offset = vec.offset + this.#vecDone;
    this.bytes = Math.min(vec.bytes - this.#vecDone, this.#bytesLeft);
    this.#bytesLeft -= this.bytes;
    this.#vecIndex++;
    this.#vecDone = 0;
    return true;
  }

  #enter(bio: Bio | null): void {
    this.#bio = bio;
    this.#bytesLeft = bio === null ? 0 : bio.bytes;
    this.#vecIndex = bio === null ? 0 : bio.vecIndex;
    this.#vecDone = bio === null ? 0 : bio.vecDone;
  }

  #stop(): boolean {
    this.data = NO_BYTES;
    return false;
  }
}
