import { type Bio, SECTOR_BYTES } from "./bio.js";
import { BioCryptCtx } from "./bio-crypt-ctx.js";
import { type Keyslot, type KeyslotResult, KeyslotWaiter } from "./blk-crypto.js";
import type { BlkMqQueue } from "./blk-mq.js";
import { BlkBug } from "./errors.js";
import { BlkStatus } from "./status.js";
import { blkIntegrityComplete } from "./t10-pi.js";

/** Where a request is in its life. @kernel include/linux/blk-mq.h: enum mq_rq_state */
export const RequestState = { FREE: 0, IDLE: 1, IN_FLIGHT: 2 } as const;
export type RequestState = (typeof RequestState)[keyof typeof RequestState];

/**
 * One or more bios with adjacent sectors on their way to a driver. A queue makes all its requests at the start and
 * reuses them; the tag is the request's number.
 *
 * @kernel include/linux/blk-mq.h: request
 */
export class BlkRequest {
  next: BlkRequest | null = null;
  prev: BlkRequest | null = null;
  readonly queue: BlkMqQueue;
  /** Index of this request in its queue, 0 to queueDepth; stable. */
  readonly tag: number;
  state: RequestState = RequestState.FREE;
  opf = 0;
  /** First sector, relative to the disk. */
  sector = 0;
  /** Bytes still to do, over all bios. */
  bytes = 0;
  /** First bio that has not ended; the others follow through `next`. */
  bio: Bio | null = null;
  bioTail: Bio | null = null;
  segmentCount = 0;
  /** The context of the data still to do, or null. A copy: bios keep theirs. */
  cryptCtx: BioCryptCtx | null = null;
  /** What an encrypted request waits with, and the keyslot it got. */
  readonly keyslotWaiter: KeyslotWaiter = new KeyslotWaiter((status) => this.queue.keyslotGranted(this, status));
  /** Steps of the flush sequence that are done; see blk-flush.ts. */
  flushSeq = 0;
  /** Takes the request over when the driver is done; null: the bios end. */
  onEnd: ((rq: BlkRequest, status: BlkStatus) => void) | null = null;
  /** The driver's own state for this request, made once by `initRequest`. @kernel blk_mq_rq_to_pdu */
  driverData: unknown = null;
  readonly #ownCryptCtx = new BioCryptCtx();

  constructor(queue: BlkMqQueue, tag: number) {
    this.queue = queue;
    this.tag = tag;
  }

  /** The programmed slot the driver has to name; null for plain requests and for devices without slots. */
  get cryptKeyslot(): Keyslot | null {
    return this.keyslotWaiter.slot;
  }

  /** Whole sectors still to do. */
  get sectors(): number {
    return this.bytes / SECTOR_BYTES;
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
    if (bio.cryptCtx !== null) {
      this.#ownCryptCtx.copyFrom(bio.cryptCtx);
      this.cryptCtx = this.#ownCryptCtx;
    }
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
   * Ends the first `bytes` with `status`. True while more is left; what is left starts at the first data unit that is
   * not done, in `sector` and in the context. The keyslot is put before the last bio ends, so that its submitter can
   * evict the key at once.
   *
   * @kernel block/blk-mq.c: blk_update_request
   */
  update(status: BlkStatus, bytes: number): boolean {
    if (bytes > this.bytes) throw new BlkBug(`${bytes} bytes of a request of ${this.bytes} complete`);
    if (status === BlkStatus.OK) blkIntegrityComplete(this, bytes);
    if (bytes === this.bytes) this.putKeyslot();
    else if (this.cryptCtx !== null) this.cryptCtx.advance(bytes);
    this.sector += bytes / SECTOR_BYTES;
    this.bytes -= bytes;
    let left = bytes;
    for (let bio = this.bio; bio !== null && (left > 0 || this.bytes === 0); bio = this.bio) {
      const done = Math.min(left, bio.bytes);
      left -= done;
      if (done < bio.bytes) {
        bio.advance(done);
        if (status !== BlkStatus.OK && bio.status === BlkStatus.OK) bio.status = status;
        break;
      }
      this.bio = bio.next;
      bio.next = null;
      if (done > 0) bio.advance(done);
      bio.endIoWith(status);
    }
    return this.bytes > 0;
  }

  /** Forgets everything but what lives as long as the queue. */
  reset(): void {
    if (this.keyslotWaiter.slot !== null) throw new BlkBug("a request is freed that holds a keyslot");
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
  }
}
