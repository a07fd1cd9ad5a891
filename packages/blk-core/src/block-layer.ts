import { type Bio, SECTOR_BYTES } from "./bio.js";
import { bioUnaligned, checkOperation, mayGoOn } from "./bio-checks.js";
import type { BioCryptCtx } from "./bio-crypt-ctx.js";
import { type BioIntegrityPayload, newIntegrityPool } from "./bio-integrity.js";
import { BioSet } from "./bio-set.js";
import { type CryptoFallback, noCryptoFallback } from "./blk-crypto.js";
import { BlkPlug } from "./blk-plug.js";
import type { BlockDevice } from "./block-device.js";
import { BlkBug } from "./errors.js";
import type { Executor } from "./executor.js";
import { expectCount, INT_MAX } from "./expect-count.js";
import { IoClock } from "./io-clock.js";
import { BIO_CHUNK_BYTES } from "./limits.js";
import { opIsPlain, opIsWrite } from "./opf.js";
import type { Pool } from "./pool.js";
import { type FailAlloc, Quota } from "./quota.js";
import { BlkStatus } from "./status.js";
import { BlockTracepoints } from "./tracepoint.js";

const { IOERR, NOTSUPP, OK } = BlkStatus;

/**
 * Hears warnings: events that no status or error tells its caller about, such as an eviction that failed. They are rare.
 * Whoever wants to follow I/O step by step subscribes to `BlockLayer.tracepoints`.
 */
export interface Tracer {
  /** `event` is the kernel function that warns; `detail` never holds key bytes or data. */
  trace(event: string, detail: Readonly<Record<string, string | number>>): void;
}

export interface BlockLayerOptions {
  executor: Executor;
  /** Serves contexts that devices cannot. Without one such bios end with NOTSUPP. */
  cryptoFallback?: CryptoFallback;
  /** Without one, warnings go nowhere. */
  tracer?: Tracer;
  /**
   * Most bios upper layers hold at once, 1 to 2^31 - 1; a further one waits or fails.
   *
   * @default 1024
   */
  maxBios?: number;
  /** Makes allocations fail, for tests: see `AllocationFaults` of `@inlinecrypt/blk-sim`. */
  failAlloc?: FailAlloc;
}

/**
 * What the queues of one stack share. Two block layers in one process know nothing of each other.
 *
 * @kernel block/blk-core.c
 */
export class BlockLayer {
  readonly executor: Executor;
  readonly cryptoFallback: CryptoFallback;
  readonly tracer: Tracer | null;
  readonly tracepoints: BlockTracepoints = new BlockTracepoints();
  /** For statistics. */
  readonly ioClock: IoClock;
  /** For whoever makes pools of this layer's objects. */
  readonly failAlloc: FailAlloc | null;
  /** All encryption contexts of this layer's bios. */
  readonly cryptCtxs: Quota;
  /** All protection information of this layer's bios. */
  readonly integrityPool: Pool<BioIntegrityPayload>;
  /** Bios for upper layers. @kernel block/bio.c: fs_bio_set */
  readonly bioSet: BioSet;
  readonly #plug = new BlkPlug();
  #zeroes: Uint8Array | null = null;
  #firstPending: Bio | null = null;
  #lastPending: Bio | null = null;
  #submitting = false;

  /** @throws BlkError EINVAL for `maxBios` out of its range. */
  constructor(options: BlockLayerOptions) {
    const maxBios = options.maxBios ?? 1024;
    expectCount("bioset_init", "maxBios", maxBios, 1, INT_MAX);
    this.executor = options.executor;
    this.ioClock = new IoClock(options.executor);
    this.cryptoFallback = options.cryptoFallback ?? noCryptoFallback;
    this.tracer = options.tracer ?? null;
    this.failAlloc = options.failAlloc ?? null;
    this.cryptCtxs = new Quota("bio_crypt_ctx", 4 * maxBios, this.failAlloc);
    this.integrityPool = newIntegrityPool(4 * maxBios, this.failAlloc);
    this.bioSet = this.newBioSet("fs_bio_set", maxBios);
    this.cryptoFallback.attach(this);
  }

  /** Bios of this layer for one user; they share the layer's contexts. */
  newBioSet(name: string, capacity: number): BioSet {
    return new BioSet(name, capacity, this.cryptCtxs, this.failAlloc);
  }

  /**
   * Submits a bio from an upper layer. A context that the device does not support itself goes to the fallback.
   * The bio's `onEndIo` runs once, perhaps before this returns.
   *
   * @context hot, may wait: no (the bio waits, not the caller)
   * @kernel include/linux/blk-crypto.h: blk_crypto_submit_bio
   */
  submitBio(bio: Bio): void {
    if (bio.cryptCtx !== null && !this.#isServed(bio, bio.cryptCtx)) return;
    if (mayGoOn(bio, prepareForQueue(bio))) this.submitBioNoacctNocheck(bio);
  }

  /** Whether the device or the fallback does what the context asks. False: the fallback has taken the bio, or it has ended. */
  #isServed(bio: Bio, ctx: BioCryptCtx): boolean {
    if (bio.hasData) return bio.bdev!.queue.cryptoProfile.supports(ctx.key!) || this.cryptoFallback.prepBio(bio);
    bio.endIoWith(IOERR);
    return false;
  }

  /**
   * Submits a bio from a stacking driver: the fallback is never consulted, and a context the device does not support
   * ends the bio with NOTSUPP.
   *
   * @context hot, may wait: no
   * @kernel block/blk-core.c: submit_bio_noacct
   */
  submitBioNoacct(bio: Bio): void {
    if (mayEnter(bio)) this.submitBioNoacctNocheck(bio);
  }

  /**
   * Submits what is left of a bio that was checked before.
   *
   * @context hot, may wait: no
   * @kernel block/blk-core.c: submit_bio_noacct_nocheck
   */
  submitBioNoacctNocheck(bio: Bio): void {
    if (!bio.traceCompletion) this.#traceQueue(bio);
    this.#appendPending(bio);
    if (!this.#submitting) this.#drainPending();
  }

  #traceQueue(bio: Bio): void {
    bio.traceCompletion = true;
    this.tracepoints.blockBioQueue.emit?.(bio);
  }

  /** Zeroes to write from; never written to. */
  get zeroes(): Uint8Array {
    this.#zeroes ??= new Uint8Array(BIO_CHUNK_BYTES);
    return this.#zeroes;
  }

  /** True inside a submission, where nothing may wait. */
  get inSubmission(): boolean {
    return this.#submitting;
  }

  /** The plug that collects requests now, or null. */
  get currentPlug(): BlkPlug | null {
    return this.#plug.depth > 0 ? this.#plug : null;
  }

  /**
   * Holds requests back so that neighbours can merge, until the matching `finishPlug`. Plugs nest; the outermost counts.
   * Start and finish within one synchronous stretch of code.
   *
   * @kernel block/blk-core.c: blk_start_plug
   */
  startPlug(): void {
    this.#plug.depth++;
    this.ioClock.hold();
  }

  /** @kernel block/blk-core.c: blk_finish_plug */
  finishPlug(): void {
    if (this.#plug.depth === 0) throw new BlkBug("a plug is finished that was not started");
    this.#plug.depth--;
    if (this.#plug.depth > 0) return;
    this.#plug.flush(true);
    if (!this.#submitting) this.ioClock.release();
  }

  /** Sends the plugged requests on; what a submitter does before it waits. @kernel block/blk-core.c: blk_flush_plug */
  flushPlug(): void {
    this.#plug.flush(false);
  }

  #appendPending(bio: Bio): void {
    if (bio.next !== null) throw new BlkBug("a bio is submitted while it is in a list");
    if (this.#lastPending === null) this.#firstPending = bio;
    else this.#lastPending.next = bio;
    this.#lastPending = bio;
  }

  /** A bio that a queue sends on goes to the next at once. */
  #submitToQueue(bio: Bio): void {
    while (bio.bdev!.queue.submitBio(bio)) {
      if (!mayEnter(bio)) return;
      this.#traceQueue(bio);
    }
  }

  /** Nested submissions append to the list this drains: any depth of stacking, no recursion. */
  #drainPending(): void {
    this.#submitting = true;
    this.ioClock.hold();
    try {
      for (let bio = this.#firstPending; bio !== null; bio = this.#firstPending) {
        this.#firstPending = bio.next;
        if (this.#firstPending === null) this.#lastPending = null;
        bio.next = null;
        this.#submitToQueue(bio);
      }
    } finally {
      this.#submitting = false;
      if (this.#plug.depth === 0) this.ioClock.release();
    }
  }
}

/** False when the bio has ended, without or with an error. @kernel block/blk-core.c: submit_bio_noacct */
function mayEnter(bio: Bio): boolean {
  const cryptStatus = bio.cryptCtx === null ? OK : checkContext(bio);
  return mayGoOn(bio, cryptStatus === OK ? prepareForQueue(bio) : cryptStatus);
}

/** @kernel block/blk-core.c: submit_bio_noacct, blk_crypto_supported */
function checkContext(bio: Bio): BlkStatus {
  if (!bio.hasData) return IOERR;
  return bio.bdev!.queue.cryptoProfile.supports(bio.cryptCtx!.key!) ? OK : NOTSUPP;
}

/**
 * The other checks before a queue sees a bio, and its translation from the partition to the disk.
 *
 * @kernel block/blk-core.c: submit_bio_noacct, bio_check_eod, bio_check_ro, blk_partition_remap
 */
function prepareForQueue(bio: Bio): BlkStatus {
  const bdev = bio.bdev!;
  if (!bdev.queue.isLive) return IOERR;
  if (bdev.readOnly && opIsWrite(bio.opf) && bio.bytes > 0) return IOERR;
  const rangeStatus = checkRange(bio, bdev);
  if (rangeStatus !== OK) return rangeStatus;
  return opIsPlain(bio.opf) ? OK : checkOperation(bio);
}

function checkRange(bio: Bio, bdev: BlockDevice): BlkStatus {
  if (bio.remapped) return OK;
  if (bio.bytes !== 0) {
    if (bio.sector < 0 || bio.endSector > bdev.sectorCount) return IOERR;
    // `sectors` knows neither fractions nor more than `BIO_MAX_BYTES`.
    if (bio.sectors * SECTOR_BYTES !== bio.bytes || Math.floor(bio.sector) !== bio.sector) return IOERR;
    if (bioUnaligned(bio, bdev.queue.limits)) return IOERR;
    if (bdev !== bdev.disk.part0) remapPartition(bio, bdev);
  }
  bio.remapped = true;
  return OK;
}

/** @kernel block/blk-core.c: blk_partition_remap */
function remapPartition(bio: Bio, bdev: BlockDevice): void {
  const fromSector = bio.sector;
  bio.sector += bdev.startSector;
  bdev.queue.layer.tracepoints.blockBioRemap.emit?.(bio, bdev, fromSector);
}
