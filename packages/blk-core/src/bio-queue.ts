import type { Bio } from "./bio.js";
import type { BlockLayer } from "./block-layer.js";
import type { QueueLimitsInput } from "./limits.js";
import { RequestQueue } from "./request-queue.js";

/** A driver that takes bios as they are: device-mapper's kind, and RAM disks. */
export interface BioOps {
  /** Takes a bio and ends it, now or later. Lower bios go through `layer.submitBioNoacct`. */
  submitBio(bio: Bio): void;
  /**
   * Asked first. True: the bio is to go on, as it is, to another device, which it names now, after a `Bio.redirect`; the
   * block layer sends it there. False: `submitBio` is to take it.
   *
   * @context hot, may wait: no
   */
  remapBio?(bio: Bio): boolean;
}

/**
 * The queue of a bio-based driver. It counts nothing: what the driver has taken and not ended, only the driver knows.
 *
 * @kernel block/blk-core.c: __submit_bio
 */
export class BioQueue extends RequestQueue {
  readonly #ops: BioOps;

  constructor(layer: BlockLayer, ops: BioOps, limits: QueueLimitsInput) {
    super(layer, limits);
    this.#ops = ops;
  }

  protected takeBio(bio: Bio): boolean {
    if (this.#ops.remapBio?.(bio)) return true;
    this.#ops.submitBio(bio);
    return false;
  }
}
