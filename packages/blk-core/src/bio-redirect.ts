import type { Bio, BioEndIo } from "./bio.js";
import type { BlockDevice } from "./block-device.js";
import type { CountedIo, IoCounts } from "./io-counts.js";

/** Who sent a bio elsewhere as it is. */
export interface BioRedirector {
  /** The bio has ended, and is still as it was below: the next thing to happen is that its submitter hears of it. */
  redirectEnded(redirect: BioRedirect, bio: Bio): void;
}

/**
 * What a bio was before a stacking driver sent it to another device. A bio that lies in one piece there needs no clone: it
 * goes itself, and here waits what its submitter gets back. Each belongs to its bio, is made on first use and kept: one
 * for each level of devices.
 */
export class BioRedirect implements CountedIo {
  counts: IoCounts | null = null;
  startMs: number = Number.NaN;
  owner: BioRedirector | null = null;
  bdev: BlockDevice | null = null;
  sector = 0;
  sectors = 0;
  onEndIo: BioEndIo | null = null;
  /** That of the level above, which ends after this one; null for the one that stands for none. */
  readonly outer: BioRedirect | null;
  #inner: BioRedirect | null = null;

  constructor(outer: BioRedirect | null) {
    this.outer = outer;
  }

  /** That of the level below. */
  get inner(): BioRedirect {
    this.#inner ??= new BioRedirect(this);
    return this.#inner;
  }

  save(owner: BioRedirector, bio: Bio): void {
    this.owner = owner;
    this.bdev = bio.bdev;
    this.sector = bio.sector;
    this.sectors = bio.sectors;
    this.onEndIo = bio.onEndIo;
  }

  restore(bio: Bio): void {
    bio.bdev = this.bdev;
    bio.sector = this.sector;
    bio.remapped = true;
    bio.onEndIo = this.onEndIo;
    // `block_bio_queue` has told of it, or it would not have come this far.
    bio.traceCompletion = true;
    // A bio in its pool keeps nobody's device alive.
    this.owner = null;
    this.bdev = null;
    this.onEndIo = null;
  }
}
