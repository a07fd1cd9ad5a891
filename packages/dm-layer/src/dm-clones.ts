import { type Bio, BioSet, type BlockLayer, Quota, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import type { DmTargetIo } from "./dm-io.js";
import type { DmTableEntry } from "./dm-table-entry.js";

/** Most bios a mapped device has on their way at a time, if none needs more clones; further ones wait. */
export const MAX_DM_BIOS = 1024;

/** The clones of one mapped device, each in a place of the target it is for. @kernel drivers/md/dm.c: alloc_tio, alloc_multiple_bios */
export class DmClones {
  readonly #bios: BioSet;

  constructor(layer: BlockLayer, capacity: number) {
    this.#bios = newDmBioSet("dm_clone", layer, capacity);
  }

  /** Most clones there can be of one bio. */
  get capacity(): number {
    return this.#bios.capacity;
  }

  /** A clone of `source`, or without one an empty flush, which has no context. Null when there is none. */
  tryGet(entry: DmTableEntry, source: Bio | null): DmTargetIo | null {
    const io = entry.ios.tryGet();
    if (io === null) return null;
    const bio = source === null ? this.#bios.tryAlloc(null, FLUSH) : this.#bios.tryClone(source);
    if (bio === null) {
      entry.ios.put(io);
      return null;
    }
    io.bio = bio;
    return io;
  }

  /** `count` clones in front of those of `list`. Null when there are not as many: then there are none at all. */
  tryGetMany(entry: DmTableEntry, source: Bio | null, count: number, list: DmTargetIo | null): DmTargetIo | null {
    let first = list;
    for (let number = 0; number < count; number++) {
      const io = this.tryGet(entry, source);
      if (io === null) {
        this.#putAll(first);
        return null;
      }
      io.next = first;
      first = io;
    }
    return first;
  }

  #putAll(first: DmTargetIo | null): void {
    for (let io = first; io !== null; ) {
      const next: DmTargetIo | null = io.next;
      io.next = null;
      io.bio!.put();
      io.bio = null;
      io.entry.ios.put(io);
      io = next;
    }
  }
}

const FLUSH = ReqOp.WRITE | ReqFlag.PREFLUSH | ReqFlag.SYNC;

/**
 * A set of bios each of which may have a context: whoever has a bio has a context, and devices stacked on each other
 * never wait for the same pool.
 */
export function newDmBioSet(name: string, layer: BlockLayer, capacity: number = MAX_DM_BIOS): BioSet {
  const cryptCtxs = new Quota(`${name}_crypt_ctx`, capacity, layer.failAlloc);
  return new BioSet(name, capacity, cryptCtxs, layer.failAlloc);
}
