import {
  type Bio,
  type BioSet,
  type BlockLayer,
  type BvecPosition,
  DUN_LIMBS,
  type Dun,
  opOf,
  PoolWaiter,
  ReqOp,
  SECTOR_BYTES,
  WorkItem,
} from "@inlinecrypt/blk-core";
import type { DmIo } from "./dm-io.js";

const TWO_32 = 0x1_0000_0000;

/**
 * Subtracts a count of data units (0 to 2^53 - 1) in place, borrowing through all limbs; 0 minus 1 is 2^256 - 1.
 *
 * @kernel drivers/md/dm-io-rewind.c: dm_bio_crypt_dun_decrement
 */
export function dunDecrement(dun: Dun, dataUnits: number): void {
  let borrow = dataUnits;
  for (let limb = 0; borrow !== 0 && limb < DUN_LIMBS; limb++) {
    const difference = dun[limb]! - (borrow >>> 0);
    dun[limb] = difference;
    borrow = Math.floor(borrow / TWO_32) + (difference < 0 ? 1 : 0);
  }
}

/**
 * Takes a bio back over `bytes` it has moved past: place, memory, DUN and protection information. What it lost at its end
 * does not come back.
 *
 * @kernel drivers/md/dm-io-rewind.c: dm_bio_rewind
 */
export function bioRewind(bio: Bio, bytes: number): void {
  const ctx = bio.cryptCtx;
  if (ctx !== null) dunDecrement(ctx.dun, ctx.dataUnits(bytes));
  bio.integrity?.advance(-bytes);
  bio.sector -= bytes / SECTOR_BYTES;
  bio.bytes += bytes;
  if (opOf(bio.opf) <= ReqOp.WRITE) rewindVecs(bio.vecs, bio, bytes);
}

/** @kernel drivers/md/dm-io-rewind.c: dm_bvec_iter_rewind */
function rewindVecs(vecs: Bio["vecs"], at: BvecPosition, bytes: number): void {
  let index = at.vecIndex;
  let done = at.vecDone - bytes;
  while (done < 0) {
    index--;
    done += vecs[index]!.bytes;
  }
  at.vecIndex = index;
  at.vecDone = done;
}

/**
 * Makes parts of bios that were mapped in vain into bios that wait. The original has moved on, and may be under way: a
 * part of it comes back as a clone, taken back to where the part began, whose end is the part's.
 *
 * @kernel drivers/md/dm.c: dm_wq_requeue_work; drivers/md/dm-io-rewind.c: dm_io_rewind
 */
export class DmRewinder {
  readonly #layer: BlockLayer;
  readonly #bios: BioSet;
  readonly #onRewound: (io: DmIo, rewound: Bio) => void;
  readonly #work = new WorkItem(() => this.#rewindAll());
  readonly #bioWaiter = new PoolWaiter(() => this.#layer.executor.queueWork(this.#work));
  #first: DmIo | null = null;

  constructor(layer: BlockLayer, bios: BioSet, onRewound: (io: DmIo, rewound: Bio) => void) {
    this.#layer = layer;
    this.#bios = bios;
    this.#onRewound = onRewound;
  }

  /** `onRewound` hears of it from a work item. */
  requeue(io: DmIo): void {
    io.next = this.#first;
    this.#first = io;
    this.#layer.executor.queueWork(this.#work);
  }

  #rewindAll(): void {
    for (let io = this.#first; io !== null; io = this.#first) {
      const rewound = this.#rewind(io);
      if (rewound === null) return this.#retry();
      this.#first = io.next;
      io.next = null;
      this.#onRewound(io, rewound);
    }
  }

  /** An allocation may fail although there is one, and those in use may wait for the very resume that waits for this. */
  #retry(): void {
    if (this.#bios.inUse === this.#bios.capacity) this.#bios.wait(this.#bioWaiter);
    else this.#layer.executor.queueWork(this.#work);
  }

  #rewind(io: DmIo): Bio | null {
    const orig = io.orig!;
    const isWhole = io.sectors === 0 || (io.sectors === orig.sectors && io.sectorsToEnd === orig.sectors);
    if (isWhole) return orig;
    const rewound = this.#bios.tryClone(orig);
    if (rewound === null) return null;
    bioRewind(rewound, (io.sectorsToEnd - orig.sectors) * SECTOR_BYTES);
    rewound.bytes = io.sectors * SECTOR_BYTES;
    rewound.privateData = orig;
    rewound.onEndIo = onRewoundEnd;
    return rewound;
  }
}

function onRewoundEnd(rewound: Bio): void {
  const orig = rewound.privateData as Bio;
  const { status } = rewound;
  rewound.put();
  orig.endIoWith(status);
}
