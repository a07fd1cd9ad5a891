import { type BlkMqQueue, mqDeadline, noneElevator } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "@inlinecrypt/blk-sim";

/** Changes of a request queue that change nothing of what it does. */
export class QueueChanges {
  readonly #queue: BlkMqQueue;
  #quiesced = false;

  constructor(queue: BlkMqQueue) {
    this.#queue = queue;
  }

  get isHeld(): boolean {
    return this.#quiesced;
  }

  change(random: SeededRandom): Promise<void> | null {
    switch (random.below(3)) {
      case 0:
        this.#queue.setNrRequests(random.pick([1, 2, 8, 64]));
        return null;
      case 1:
        if (!this.#quiesced) this.#queue.quiesce();
        this.#quiesced = true;
        return null;
      default:
        return this.#queue.setElevator(random.pick([noneElevator, mqDeadline()]));
    }
  }

  release(): void {
    if (this.#quiesced) this.#queue.unquiesce();
    this.#quiesced = false;
  }
}
