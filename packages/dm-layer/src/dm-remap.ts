import {
  type Bio,
  type BioEndIo,
  BlkStatus,
  type BlockDevice,
  type CountedIo,
  type IoCounts,
} from "@inlinecrypt/blk-core";
import type { DmTarget } from "./dm-target.js";

/** Who hears of the end of a bio that was sent elsewhere as it is. */
export interface DmRemapOwner {
  /** The bio is as it was submitted, and has ended: `resumeEndIo` is due. */
  remapEnded(remap: DmRemap, bio: Bio): void;
}

/**
 * What a bio was before its device and place were changed. A bio that lies in one piece on another device needs no clone:
 * it goes there itself, and here waits what its submitter gets back.
 */
export class DmRemap implements CountedIo {
  counts: IoCounts | null = null;
  startMs: number = Number.NaN;
  sectors = 0;
  readonly #owner: DmRemapOwner;
  #target: DmTarget | null = null;
  #bdev: BlockDevice | null = null;
  #sector = 0;
  #onEndIo: BioEndIo | null = null;
  #privateData: unknown = null;
  #traceCompletion = false;

  constructor(owner: DmRemapOwner) {
    this.#owner = owner;
  }

  /** Takes a bio's submitter's part of it, and makes its end come here; `target` sends it on. */
  take(bio: Bio, target: DmTarget): void {
    this.sectors = bio.sectors;
    this.#target = target;
    this.#bdev = bio.bdev;
    this.#sector = bio.sector;
    this.#onEndIo = bio.onEndIo;
    this.#privateData = bio.privateData;
    this.#traceCompletion = bio.traceCompletion;
    bio.onEndIo = onRemapEnd;
    bio.privateData = this;
    // Below it is a bio of another device, that has yet to be told of.
    bio.traceCompletion = false;
  }

  ended(bio: Bio): void {
    if (bio.status !== BlkStatus.OK) this.#target!.remapFailed?.(bio);
    this.#target = null;
    bio.bdev = this.#bdev;
    bio.remapped = true;
    bio.sector = this.#sector;
    bio.onEndIo = this.#onEndIo;
    bio.privateData = this.#privateData;
    bio.traceCompletion = this.#traceCompletion;
    this.#onEndIo = null;
    this.#privateData = null;
    this.#owner.remapEnded(this, bio);
  }
}

function onRemapEnd(bio: Bio): void {
  (bio.privateData as DmRemap).ended(bio);
}
