import { type Bio, BioCryptCtx, BioSet, type BlockLayer, Pool, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import type { DmTargetIo } from "./dm-io.js";
import type { DmTableEntry } from "./dm-table-entry.js";

/** Most bios a mapped device has on their way at a time; further ones wait. */
export const MAX_DM_BIOS = 1024;

/** The clones of one mapped device, each in a place of the target it is for. @kernel drivers/md/dm.c: alloc_tio, alloc_multiple_bios */
export class DmClones {
  readonly #bios: BioSet;

  constructor(layer: BlockLayer) {
    this.#bios = newDmBioSet("dm_clone", layer);
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

  /** `count` clones behind those of `list`. Null when there are not as many: then there are none at all. */
  tryGetMany(entry: DmTableEntry, source: Bio | null, count: number, list: DmTargetIo | null): DmTargetIo | null {
    let first = list;
    let last = list;
    while (last !== null && last.next !== null) last = last.next;
    for (let number = 0; number < count; number++) {
      const io = this.tryGet(entry, source);
      if (io === null) {
        this.#putAll(first);
        return null;
      }
      if (last === null) first = io;
      else last.next = io;
      last = io;
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
 * A set of bios with contexts of its own, one for each: whoever has a bio has a context, and devices stacked on each other
 * never wait for the same pool.
 */
export function newDmBioSet(name: string, layer: BlockLayer): BioSet {
  const ctxPool = new Pool(`${name}_crypt_ctx`, MAX_DM_BIOS, () => new BioCryptCtx(), layer.failAlloc);
  return new BioSet(name, MAX_DM_BIOS, ctxPool, layer.failAlloc);
}
