import { type Bio, SECTOR_BYTES, SECTOR_SHIFT } from "./bio.js";
import { BioCryptCtx } from "./bio-crypt-ctx.js";
import { accountCompletion, accountStart } from "./blk-account.js";
import { type Keyslot, type KeyslotResult, KeyslotWaiter } from "./blk-crypto.js";
import type { BlkMqQueue } from "./blk-mq.js";
import type { BlkMqHwCtx } from "./blk-mq-hctx.js";
import { countSegments } from "./blk-split.js";
import { BlkBug } from "./errors.js";
import type { CountedIo, IoCounts } from "./io-counts.js";
import { opfMergeable } from "./opf.js";
import { BlkStatus } from "./status.js";
import { blkIntegrityComplete } from "./t10-pi.js";

const { OK } = BlkStatus;

/** Where a request is in its life. @kernel include/linux/blk-mq.h: enum mq_rq_state */
export const RequestState = { FREE: 0, IDLE: 1, IN_FLIGHT: 2 } as const;
export type RequestState = (typeof RequestState)[keyof typeof RequestState];

/**
 * One or more bios with adjacent sectors on their way to a driver. A queue makes as many as it may have, and reuses them.
 *
 * @kernel include/linux/blk-mq.h: request
 */
export class BlkRequest implements CountedIo {
  next: BlkRequest | null = null;
  prev: BlkRequest | null = null;
  readonly queue: BlkMqQueue;
  /** Number of this request in its queue; stable. @kernel include/linux/blk-mq.h: request.internal_tag */
  readonly index: number;
  /** The device's number for it, 0 to queueDepth - 1, unique among what the driver owns; -1 while it does not own this. */
  tag = -1;
  /** The hardware queue it goes to. */
  hctx: BlkMqHwCtx;
  state: RequestState = RequestState.FREE;
  /** How often a driver has been given this request: tells a late answer from one that is awaited. */
  generation = 0;
  opf = 0;
  /** First sector, relative to the disk. */
  sector = 0;
  /** Bytes still to do, over all bios. */
  bytes = 0;
  /** First bio that has not ended; the others follow through `next`. */
  bio: Bio | null = null;
  bioTail: Bio | null = null;
  /** Runs of memory still to do, as the device's limits cut them. */
  segmentCount = 0;
  /** The context of the data still to do, or null. A copy: bios keep theirs. */
  cryptCtx: BioCryptCtx | null = null;
  /** What an encrypted request waits with, and the keyslot it got. */
  readonly keyslotWaiter: KeyslotWaiter = new KeyslotWaiter((status) => this.queue.keyslotGranted(this, status));
  /** Steps of the flush sequence that are done; see blk-flush.ts. */
  flushSeq = 0;
  /**
   * Called when all of the request has ended, for a request without a queue's bios (a clone, pass-through, a flush): who
   * set this frees the request. Null: it is freed by itself.
   */
  onEnd: ((rq: BlkRequest, status: BlkStatus) => void) | null = null;
  /** Called when a clone that waited for a keyslot has been issued, or why not; see `insertClonedRequest`. */
  onInserted: ((rq: BlkRequest, status: BlkStatus) => void) | null = null;
  counts: IoCounts | null = null;
  startMs: number = Number.NaN;
  /** When the driver will have had it for too long, on the executor's clock. */
  deadlineMs = 0;
  /** The driver has been asked about this overdue request and is dealing with it. */
  timedOut = false;
  /** When an elevator should issue it at the latest, on the executor's clock. */
  fifoTimeMs = 0;
  /** Links and priority in an elevator's tree; see request-tree.ts. */
  sortLeft: BlkRequest | null = null;
  sortRight: BlkRequest | null = null;
  sortPriority = 0;
  /** The driver's own state for this request, made once by `initRequest`. @kernel blk_mq_rq_to_pdu */
  driverData: unknown = null;
  readonly #ownCryptCtx = new BioCryptCtx();

  constructor(queue: BlkMqQueue, index: number, hctx: BlkMqHwCtx) {
    this.queue = queue;
    this.index = index;
    this.hctx = hctx;
  }

  /** Whether more may be merged into this, or this into another. @kernel include/linux/blk-mq.h: rq_mergeable */
  get isMergeable(): boolean {
    return opfMergeable(this.opf) && this.flushSeq === 0;
  }

  /** The programmed slot the driver has to name; null for plain requests and for devices without slots. */
  get cryptKeyslot(): Keyslot | null {
    return this.keyslotWaiter.slot;
  }

  /** Whole sectors still to do. */
  get sectors(): number {
    return this.bytes >>> SECTOR_SHIFT;
  }

  /** The first sector after this request. */
  get endSector(): number {
    return this.sector + this.sectors;
  }

  /** Starts the request with its first bio, whose context is copied. @kernel block/blk-mq.c: blk_mq_bio_to_request */
  initFromBio(bio: Bio): void {
    this.opf = bio.opf;
    this.sector = bio.sector;
    this.bytes = bio.bytes;
    this.bio = bio;
    this.bioTail = bio;
    this.segmentCount = bio.segmentCount;
    if (bio.cryptCtx !== null) this.setCryptCtx(bio.cryptCtx);
    accountStart(this, bio.bdev!, bio.opf);
  }

  /** Another request has taken over the bios; this one is empty. */
  giveAwayBios(): void {
    this.putKeyslot();
    this.bio = null;
    this.bioTail = null;
    this.bytes = 0;
  }

  /** Starts the context from another's, as a copy. @kernel block/blk-crypto.c: __blk_crypto_rq_bio_prep */
  setCryptCtx(from: BioCryptCtx): void {
    this.#ownCryptCtx.copyFrom(from);
    this.cryptCtx = this.#ownCryptCtx;
  }

  /** @kernel block/blk-crypto.c: __blk_crypto_rq_get_keyslot */
  getKeyslot(): KeyslotResult {
    this.keyslotWaiter.key = this.cryptCtx!.key;
    return this.queue.cryptoProfile.getKeyslot(this.keyslotWaiter);
  }

  /** @kernel block/blk-crypto.c: __blk_crypto_rq_put_keyslot */
  putKeyslot(): void {
    const slot = this.keyslotWaiter.slot;
    this.keyslotWaiter.key = null;
    if (slot === null) return;
    this.keyslotWaiter.slot = null;
    this.queue.cryptoProfile.putKeyslot(slot);
  }

  /**
   * The driver is done with all of the request. Ends its bios, perhaps before this returns.
   *
   * @context interrupt, may wait: no
   * @throws BlkBug when the driver does not own the request.
   * @kernel block/blk-mq.c: blk_mq_end_request
   */
  complete(status: BlkStatus): void {
    this.queue.completeRequest(this, status);
  }

  /**
   * `complete` for drivers whose device may answer late: after `timeout` has ended the request, or it was requeued.
   * `generation` is the request's when the driver got it. False when that time is over: the answer is dropped.
   *
   * @context interrupt, may wait: no
   */
  completeGeneration(generation: number, status: BlkStatus): boolean {
    if (generation !== this.generation || this.state !== RequestState.IN_FLIGHT) {
      this.queue.layer.tracer?.trace("blk_mq_stale_completion", { request: this.index, generation, status });
      return false;
    }
    this.queue.completeRequest(this, status);
    return true;
  }

  /**
   * Ends the first `bytes` with `status`. True while more is left; what is left starts at the first data unit that is
   * not done, in `sector` and in the context. The keyslot is put before the last bio ends, so that its submitter can
   * evict the key at once. A write that a flush has to follow ends after that one.
   *
   * @throws BlkBug when the rest would not start at a data unit, an interval of protection information and a sector.
   * @kernel block/blk-mq.c: blk_update_request
   */
  update(status: BlkStatus, bytes: number): boolean {
    if (bytes !== this.bytes) this.#checkPart(bytes);
    else if (this.flushSeq !== 0) return this.#endLater(status);
    this.queue.layer.tracepoints.blockRqComplete.emit?.(this, status, bytes);
    accountCompletion(this, bytes >>> SECTOR_SHIFT);
    if (this.queue.limits.integrity !== null && status === OK) blkIntegrityComplete(this, bytes);
    if (bytes < this.bytes) return this.#updatePart(status, bytes);
    this.putKeyslot();
    this.sector += bytes >>> SECTOR_SHIFT;
    this.bytes = 0;
    for (let bio = this.bio; bio !== null; bio = this.bio) this.#endBio(bio, status);
    return false;
  }

  #updatePart(status: BlkStatus, bytes: number): true {
    if (this.cryptCtx !== null) this.cryptCtx.advance(bytes);
    this.sector += bytes >>> SECTOR_SHIFT;
    this.bytes -= bytes;
    let left = bytes;
    for (let bio = this.bio!; left >= bio.bytes; bio = this.bio!) {
      left -= bio.bytes;
      this.#endBio(bio, status);
    }
    if (left > 0) {
      this.bio!.advance(left);
      if (this.bio!.status === OK) this.bio!.status = status;
    }
    this.recountSegments();
    return true;
  }

  /** Counts the segments of what is left by the limits of its own queue. What has no memory stays one. */
  recountSegments(): void {
    if (this.bio === null || this.bio.vecCount === 0) return;
    this.segmentCount = 0;
    for (let bio: Bio | null = this.bio; bio !== null; bio = bio.next) {
      this.segmentCount += countSegments(bio, this.queue.limits);
    }
  }

  /** The flush machine ends it when all steps are done. @kernel block/blk-mq.c: req_bio_endio */
  #endLater(status: BlkStatus): false {
    if (this.bio!.status === OK) this.bio!.status = status;
    return false;
  }

  /** A part of a data unit would move the sector and not the DUN: the rest of it would be read or written as another. */
  #checkPart(bytes: number): void {
    if (bytes > this.bytes) throw new BlkBug(`${bytes} bytes of a request of ${this.bytes} complete`);
    const dataUnitBytes = this.cryptCtx?.key?.dataUnitBytes ?? SECTOR_BYTES;
    const unitBytes = Math.max(dataUnitBytes, this.queue.limits.integrity?.intervalBytes ?? SECTOR_BYTES);
    if (bytes % unitBytes === 0) return;
    throw new BlkBug(`${bytes} bytes of a request of ${this.bytes} complete, expected a multiple of ${unitBytes}`);
  }

  /** Ends the first bio. */
  #endBio(bio: Bio, status: BlkStatus): void {
    this.bio = bio.next;
    bio.next = null;
    // The request has told of it.
    bio.traceCompletion = false;
    // Not `advance`: nobody asks where in its memory, or at which DUN, a bio that has ended would go on.
    bio.bytes = 0;
    bio.endIoWith(status);
  }

  /** Forgets everything but what lives as long as the queue. */
  reset(): void {
    this.state = RequestState.FREE;
    this.next = null;
    this.prev = null;
    this.opf = 0;
    this.sector = 0;
    this.bytes = 0;
    this.bio = null;
    this.bioTail = null;
    this.segmentCount = 0;
    this.#ownCryptCtx.key = null;
    this.cryptCtx = null;
    this.flushSeq = 0;
    this.onEnd = null;
    this.onInserted = null;
  }
}
