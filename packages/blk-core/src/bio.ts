import { BioCryptCtx } from "./bio-crypt-ctx.js";
import type { BioIntegrityPayload } from "./bio-integrity.js";
import { BioRedirect, type BioRedirector } from "./bio-redirect.js";
import type { BioSet } from "./bio-set.js";
import { BioVec, type BvecPosition, bvecAdvance } from "./bio-vec.js";
import type { CryptoKeyRef } from "./blk-crypto.js";
import type { BlockDevice } from "./block-device.js";
import type { Dun } from "./dun.js";
import { BlkBug } from "./errors.js";
import { opOf, ReqOp } from "./opf.js";
import { BlkStatus } from "./status.js";

const { OK } = BlkStatus;
const { WRITE } = ReqOp;

/** Called when a bio has ended; it runs in interrupt context and may not wait. */
export type BioEndIo = (bio: Bio) => void;

/** Most vectors of one bio. @kernel include/linux/bio.h: BIO_MAX_VECS */
export const BIO_MAX_VECS = 256;

/** Most bytes of one bio with data. @kernel include/linux/blk_types.h: bvec_iter.bi_size */
export const BIO_MAX_BYTES = 0xffff_ffff;

/** Bytes of a sector, everywhere. */
export const SECTOR_BYTES = 512;

const IN_POOL = -1;

/** Bits of `opf` that reads and writes do not have. */
const NO_DATA_OPS = 0xff & ~WRITE;

/** A sector is 2^9 bytes. */
export const SECTOR_SHIFT = 9;

/**
 * One I/O: an operation on a run of sectors of a device, its memory, and how it ends. Bios come from a `BioSet` and go
 * back with `put`. A bio ends exactly once.
 *
 * @kernel include/linux/blk_types.h: bio
 */
export class Bio implements BvecPosition {
  /** The next bio of the list or request this one is in. */
  next: Bio | null = null;
  bdev: BlockDevice | null = null;
  /** A `ReqOp` with `ReqFlag`s. */
  opf = 0;
  status: BlkStatus = OK;
  /** First sector still to do. */
  sector = 0;
  /** Bytes still to do; for discard and write zeroes, of the device. */
  bytes = 0;
  /** Vector in which the data still to do starts. */
  vecIndex = 0;
  /** Bytes of that vector that are done. */
  vecDone = 0;
  /** The memory; a clone shares the array of its original. */
  vecs: BioVec[];
  vecCount = 0;
  /** Runs of memory as cut at the limits' `maxSegmentBytes` and boundary, which `BioSegments` does not do. */
  segmentCount = 0;
  cryptCtx: BioCryptCtx | null = null;
  /** Protection information of the data, on devices that have it. */
  integrity: BioIntegrityPayload | null = null;
  /** What to do at the end; null for nothing. */
  onEndIo: BioEndIo | null = null;
  /** The submitter's own. */
  privateData: unknown = null;
  /** Whether `sector` is already relative to the whole disk. @kernel BIO_REMAPPED */
  remapped = false;
  /** `block_bio_queue` has told of it, and `block_bio_complete` has not. @kernel BIO_TRACE_COMPLETION */
  traceCompletion = false;
  /** Ends that are to come before it ends; 0 when it has, IN_POOL when nobody has it. */
  #remaining = IN_POOL;
  readonly #ownVecs: BioVec[] = [];
  /** The memory of `cryptCtx`. */
  readonly #ownCryptCtx = new BioCryptCtx();
  /** The latest that has not ended; the first of the chain stands for none. */
  #redirect = new BioRedirect(null);
  readonly #bioSet: BioSet;

  constructor(bioSet: BioSet) {
    this.vecs = this.#ownVecs;
    this.#bioSet = bioSet;
  }

  /** Prepares a bio fresh from its set. @kernel block/bio.c: bio_init */
  init(bdev: BlockDevice | null, opf: number): void {
    this.bdev = bdev;
    this.opf = opf;
    this.status = OK;
    this.#remaining = 1;
  }

  /** Whether it moves data between memory and the device. @kernel include/linux/bio.h: bio_has_data */
  get hasData(): boolean {
    return this.bytes > 0 && (this.opf & NO_DATA_OPS) === 0;
  }

  /** Whole sectors still to do. */
  get sectors(): number {
    return this.bytes >>> SECTOR_SHIFT;
  }

  /** The first sector after this bio. */
  get endSector(): number {
    return this.sector + this.sectors;
  }

  /**
   * Adds memory: `bytes` of `data` from `offset`. False when the bio is full, and nothing is added.
   *
   * @kernel block/bio.c: bio_add_page
   */
  addBuffer(data: Uint8Array, offset = 0, bytes: number = data.length - offset): boolean {
    if (this.vecs !== this.#ownVecs) throw new BlkBug("memory is added to a clone");
    if (offset < 0 || bytes <= 0 || offset + bytes > data.length) throw outsideBuffer(data, offset, bytes);
    if (this.vecCount === BIO_MAX_VECS || this.bytes + bytes > BIO_MAX_BYTES) return false;
    if (this.vecCount === this.#ownVecs.length) this.#ownVecs.push(new BioVec());
    this.#ownVecs[this.vecCount]!.set(data, offset, bytes);
    this.vecCount++;
    this.bytes += bytes;
    return true;
  }

  /**
   * Attaches an encryption context: the key by reference, the DUN by copy. False when no context is free, which only
   * happens to layers that may have more bios than contexts.
   *
   * @kernel block/blk-crypto.c: bio_crypt_set_ctx
   */
  setCryptCtx(key: CryptoKeyRef, dun: Dun): boolean {
    if (this.integrity !== null) throw new BlkBug("a bio with protection information is given an encryption context");
    if (this.cryptCtx === null && !this.#bioSet.cryptCtxs.tryTake()) return false;
    this.#ownCryptCtx.set(key, dun);
    this.cryptCtx = this.#ownCryptCtx;
    return true;
  }

  /** Detaches and frees the context, if there is one. @kernel block/blk-crypto.c: __bio_crypt_free_ctx */
  freeCryptCtx(): void {
    if (this.cryptCtx === null) return;
    this.cryptCtx.key = null;
    this.cryptCtx = null;
    this.#bioSet.cryptCtxs.giveBack();
  }

  /** Sends the bio to another device, where `sector` has yet to be checked. @kernel include/linux/bio.h: bio_set_dev */
  setDev(bdev: BlockDevice): void {
    this.bdev = bdev;
    this.remapped = false;
  }

  /**
   * For a stacking driver that is about to send this bio, as it is, to another device (`setDev` and `sector`): its end comes
   * to `owner` first, and then to the submitter, who gets it back on the device and at the sector where it was. What is
   * returned is the owner's until then.
   */
  redirect(owner: BioRedirector): BioRedirect {
    const redirect = this.#redirect.inner;
    redirect.save(owner, this);
    this.#redirect = redirect;
    this.onEndIo = redirectEndIo;
    // Below it is a bio of another device, that has yet to be told of.
    this.traceCompletion = false;
    return redirect;
  }

  /** Moves past the first `bytes`, context included. @kernel block/bio.c: __bio_advance */
  advance(bytes: number): void {
    if (bytes < 0 || bytes > this.bytes) throw new BlkBug(`a bio of ${this.bytes} bytes is advanced by ${bytes}`);
    if (this.cryptCtx !== null) this.cryptCtx.advance(bytes);
    if (this.integrity !== null) this.integrity.advance(bytes);
    this.sector += bytes >>> SECTOR_SHIFT;
    if (opOf(this.opf) <= WRITE) bvecAdvance(this.vecs, this, bytes);
    else this.bytes -= bytes;
  }

  /**
   * Makes this bio a copy of `source` that shares its memory and protection information, with a context of its own.
   * False when contexts or integrity payloads have run out: `put` gives back what was taken.
   *
   * @kernel block/bio.c: __bio_clone
   */
  initClone(source: Bio): boolean {
    this.init(source.bdev, source.opf);
    if (source.cryptCtx !== null && !this.#cloneCryptCtx(source.cryptCtx)) return false;
    if (source.integrity !== null && source.integrity.tryClone(this) === null) return false;
    this.sector = source.sector;
    this.bytes = source.bytes;
    this.vecIndex = source.vecIndex;
    this.vecDone = source.vecDone;
    this.vecs = source.vecs;
    this.vecCount = source.vecCount;
    this.remapped = source.remapped;
    return true;
  }

  #cloneCryptCtx(source: BioCryptCtx): boolean {
    if (source.key === null) throw new BlkBug("a freed crypto context is cloned");
    return this.setCryptCtx(source.key, source.dun);
  }

  /** This bio ends only after `child` has, with the first error of both. @kernel block/bio.c: bio_chain */
  chain(child: Bio): void {
    if (child.onEndIo !== null) throw new BlkBug("a bio with an end of its own is chained");
    child.privateData = this;
    child.onEndIo = bioChainEndIo;
    this.holdEnd();
  }

  /** Whether parts of it that were cut off have yet to end: it ends after them. */
  get isHeld(): boolean {
    return this.#remaining > 1;
  }

  /** One more `endIo` is needed before this bio ends. @kernel include/linux/bio.h: bio_inc_remaining */
  holdEnd(): void {
    if (this.#remaining <= 0) throw new BlkBug("a bio that has ended is held open");
    this.#remaining++;
  }

  /** Stores a failure (the first one stays) and ends the bio. */
  endIoWith(status: BlkStatus): void {
    if (this.status === OK) this.status = status;
    this.endIo();
  }

  /**
   * Ends the bio, and then the bios that waited for it alone. Runs the submitter's callback; never waits.
   *
   * @throws BlkBug when the bio has ended before.
   * @kernel block/bio.c: bio_endio
   */
  endIo(): void {
    let bio: Bio = this;
    while (bio.#dropHold()) {
      if (bio.integrity !== null && !bio.integrity.endIo()) return;
      if (bio.traceCompletion) bio.#traceEnd();
      while (bio.onEndIo === redirectEndIo) bio.#endRedirect();
      const onEndIo = bio.onEndIo;
      if (onEndIo !== bioChainEndIo) {
        if (onEndIo !== null) onEndIo(bio);
        return;
      }
      bio = takeParent(bio);
    }
  }

  /**
   * Goes on with an end that was put off, or that `onEndIo` intercepted: a layer that put its own callback in place of
   * the submitter's has put the submitter's back, done its part, and now ends the bio for good, perhaps much later.
   *
   * @throws BlkBug when the bio has not ended.
   */
  resumeEndIo(): void {
    if (this.#remaining !== 0) throw new BlkBug("the end of a bio is resumed that nobody intercepted");
    this.#remaining = 1;
    this.endIo();
  }

  /**
   * Makes an ended bio ready for another operation on the same memory, with the same submitter: read here, write there.
   * The sector is the caller's to set.
   *
   * @throws BlkBug for a bio that has not ended, is a clone, or has a context (whose DUN belongs to the first use) or
   * protection information.
   * @kernel block/bio.c: bio_reuse
   */
  reuse(opf: number): void {
    if (this.#remaining !== 0) throw new BlkBug("a bio is reused that has not ended");
    if (this.vecs !== this.#ownVecs) throw new BlkBug("a clone is reused");
    if (this.cryptCtx !== null) throw new BlkBug("a bio with an encryption context is reused");
    if (this.integrity !== null) throw new BlkBug("a bio with protection information is reused");
    this.init(this.bdev, opf);
    this.next = null;
    this.sector = 0;
    this.vecIndex = 0;
    this.vecDone = 0;
    this.segmentCount = 0;
    this.remapped = false;
    this.traceCompletion = false;
    this.bytes = 0;
    for (let index = 0; index < this.vecCount; index++) this.bytes += this.vecs[index]!.bytes;
  }

  /** Gives the bio back to its set. @throws BlkBug when it is there already. @kernel block/bio.c: bio_put */
  put(): void {
    if (this.#remaining < 0) throw new BlkBug("a bio is put twice");
    this.freeCryptCtx();
    if (this.integrity !== null) this.integrity.release();
    for (let index = 0; index < this.vecCount && this.vecs === this.#ownVecs; index++) this.#ownVecs[index]!.clear();
    this.next = null;
    this.bdev = null;
    this.sector = 0;
    this.bytes = 0;
    this.vecIndex = 0;
    this.vecDone = 0;
    this.vecs = this.#ownVecs;
    this.vecCount = 0;
    this.segmentCount = 0;
    this.onEndIo = null;
    this.privateData = null;
    this.remapped = false;
    this.traceCompletion = false;
    this.#remaining = IN_POOL;
    this.#bioSet.release(this);
  }

  #endRedirect(): void {
    const redirect = this.#redirect;
    redirect.owner!.redirectEnded(redirect, this);
    this.#redirect = redirect.outer!;
    redirect.restore(this);
    this.#traceEnd();
  }

  #traceEnd(): void {
    this.traceCompletion = false;
    this.bdev?.queue.layer.tracepoints.blockBioComplete.emit?.(this);
  }

  #dropHold(): boolean {
    if (this.#remaining <= 0) throw new BlkBug("a bio ended twice");
    this.#remaining--;
    return this.#remaining === 0;
  }
}

function outsideBuffer(data: Uint8Array, offset: number, bytes: number): BlkBug {
  return new BlkBug(`a bio vector of ${bytes} bytes at ${offset} lies outside its buffer of ${data.length}`);
}

/** Marks a bio that was sent elsewhere; `endIo` recognises it. */
function redirectEndIo(bio: Bio): void {
  bio.resumeEndIo();
}

/** Marks a chained bio; `endIo` recognises it and goes on to the parent without recursion. */
function bioChainEndIo(bio: Bio): void {
  takeParent(bio).endIo();
}

function takeParent(child: Bio): Bio {
  const parent = child.privateData as Bio;
  if (parent.status === OK) parent.status = child.status;
  child.put();
  return parent;
}
