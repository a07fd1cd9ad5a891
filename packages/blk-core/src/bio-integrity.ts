import { type Bio, SECTOR_BYTES } from "./bio.js";
import { BvecIter, NO_BYTES } from "./bio-vec.js";
import { BlkBug, BlkError } from "./errors.js";
import { WorkItem } from "./executor.js";
import { type IntegrityLimits, PI_TUPLE_BYTES } from "./limits.js";
import { opOf, ReqOp } from "./opf.js";
import { Pool } from "./pool.js";
import type { FailAlloc } from "./quota.js";
import { BlkStatus } from "./status.js";
import { GuardWalk, PiResult, setTuple, verifyTuple } from "./t10-pi.js";

/** Larger buffers than this, enough for a bio of 1 MiB, are not kept with a pooled payload. */
const KEPT_BUFFER_BYTES = 16384;

/** Makes the pool of a block layer's payloads. */
export function newIntegrityPool(capacity: number, failAlloc: FailAlloc | null): Pool<BioIntegrityPayload> {
  const create = (): BioIntegrityPayload => new BioIntegrityPayload(pool);
  const pool = new Pool("bio_integrity_payload", capacity, create, failAlloc);
  return pool;
}

/**
 * The protection information of a bio: a tuple for each interval of its data, from `offset` of `buffer`. The block layer
 * makes and checks it for bios that come without; a submitter with its own attaches it by `bioIntegrityAlloc`. Drivers
 * find it at each bio of a request.
 *
 * @kernel include/linux/bio-integrity.h: bio_integrity_payload
 */
export class BioIntegrityPayload {
  buffer: Uint8Array = NO_BYTES;
  /** Where the tuple of the first interval still to do is. */
  offset = 0;
  /** Number of that interval, as the submitter counts. */
  seed = 0;
  /** The reference tags are already those of the disk. @kernel BIP_MAPPED_INTEGRITY */
  remapped = false;
  #integrity: IntegrityLimits | null = null;
  #bio: Bio | null = null;
  /** Made by the block layer, which checks it after a read. @kernel BIP_BLOCK_INTEGRITY */
  #automatic = false;
  #ownBuffer: Uint8Array = NO_BYTES;
  /** The data as it was submitted: at its end a bio has moved past it. */
  readonly #submitted = new BvecIter();
  readonly #guards = new GuardWalk();
  readonly #verifyWork = new WorkItem(() => this.#verifyAndEnd());
  readonly #pool: Pool<BioIntegrityPayload>;

  constructor(pool: Pool<BioIntegrityPayload>) {
    this.#pool = pool;
  }

  /** Bytes of the tuples still to do. */
  get bytes(): number {
    return this.#intervals(this.#bio!.bytes) * PI_TUPLE_BYTES;
  }

  /** Puts tuples into `buffer` from `offset` on, for intervals that count from `seed`. */
  set(buffer: Uint8Array, offset: number, seed: number): void {
    if (offset + this.bytes > buffer.length) {
      throw new BlkBug(`${this.bytes} bytes of protection information at ${offset} do not fit ${buffer.length}`);
    }
    this.buffer = buffer;
    this.offset = offset;
    this.seed = seed;
  }

  /** Makes this the payload of a bio that has none. */
  attach(bio: Bio, integrity: IntegrityLimits): void {
    this.#bio = bio;
    this.#integrity = integrity;
    bio.integrity = this;
  }

  /** A payload of `clone` that shares this one's tuples; null when payloads have run out. @kernel block/bio-integrity.c: bio_integrity_clone */
  tryClone(clone: Bio): BioIntegrityPayload | null {
    const payload = this.#pool.tryGet();
    if (payload === null) return null;
    payload.attach(clone, this.#integrity!);
    payload.buffer = this.buffer;
    payload.offset = this.offset;
    payload.seed = this.seed;
    payload.remapped = this.remapped;
    return payload;
  }

  /** Moves past the tuples of `bytes` of data. @kernel block/bio-integrity.c: bio_integrity_advance */
  advance(bytes: number): void {
    const intervals = this.#intervals(bytes);
    this.offset += intervals * PI_TUPLE_BYTES;
    this.seed += intervals;
  }

  /** Takes memory of its own for all of the bio, and fills it for a write. @kernel block/bio-integrity-auto.c: bio_integrity_prep */
  makeForBio(): void {
    const bio = this.#bio!;
    this.#automatic = true;
    if (this.#ownBuffer.length < this.bytes) this.#ownBuffer = new Uint8Array(this.bytes);
    this.set(this.#ownBuffer, 0, this.#intervals(bio.sector * SECTOR_BYTES));
    this.remapped = true;
    this.#submitted.save(bio);
    if (opOf(bio.opf) === ReqOp.WRITE) this.#generate();
  }

  /**
   * The bio ends. False for a good read: checking takes long, so the bio's end goes on from a work item.
   *
   * @kernel block/bio-integrity-auto.c: __bio_integrity_endio
   */
  endIo(): boolean {
    if (!this.#automatic) return true;
    const bio = this.#bio!;
    if (opOf(bio.opf) === ReqOp.READ && bio.status === BlkStatus.OK) {
      bio.bdev!.queue.layer.executor.queueWork(this.#verifyWork);
      return false;
    }
    this.release();
    return true;
  }

  /**
   * The bio has to wait for a request. The last payload goes back meanwhile: a bio in front of this one may wait for it,
   * and requests that carry none bring none when they end.
   */
  yieldIfLast(): void {
    if (this.#automatic && this.#pool.inUse === this.#pool.capacity) this.release();
  }

  /** Detaches from the bio and goes back to the pool. @kernel block/bio-integrity.c: bio_integrity_free */
  release(): void {
    this.#bio!.integrity = null;
    this.#bio = null;
    this.#integrity = null;
    this.#automatic = false;
    this.buffer = NO_BYTES;
    this.offset = 0;
    this.seed = 0;
    this.remapped = false;
    if (this.#ownBuffer.length > KEPT_BUFFER_BYTES) this.#ownBuffer = NO_BYTES;
    this.#guards.clear();
    this.#pool.put(this);
  }

  /** @kernel block/t10-pi.c: blk_integrity_generate */
  #generate(): void {
    const { csum, type, intervalBytes } = this.#integrity!;
    const { vecIndex, vecDone } = this.#submitted;
    this.#guards.start(this.#bio!.vecs, vecIndex, vecDone);
    const intervals = this.#intervals(this.#submitted.bytes);
    for (let index = 0; index < intervals; index++) {
      const guard = this.#guards.next(csum, intervalBytes);
      setTuple(this.#ownBuffer, index * PI_TUPLE_BYTES, type, guard, this.seed + index);
    }
  }

  #verifyAndEnd(): void {
    const bio = this.#bio!;
    if (!this.#verify()) bio.status = BlkStatus.PROTECTION;
    this.release();
    bio.resumeEndIo();
  }

  /** @kernel block/t10-pi.c: blk_integrity_verify_iter */
  #verify(): boolean {
    const { csum, type, intervalBytes } = this.#integrity!;
    const { sector, bytes, vecIndex, vecDone } = this.#submitted;
    const firstInterval = this.#intervals(sector * SECTOR_BYTES);
    this.#guards.start(this.#bio!.vecs, vecIndex, vecDone);
    for (let index = 0; index < this.#intervals(bytes); index++) {
      const guard = this.#guards.next(csum, intervalBytes);
      const result = verifyTuple(this.#ownBuffer, index * PI_TUPLE_BYTES, type, guard, firstInterval + index);
      if (result !== PiResult.OK) return this.#mismatch(result, firstInterval + index);
    }
    return true;
  }

  #mismatch(result: PiResult, interval: number): false {
    const { disk, queue } = this.#bio!.bdev!;
    const tag = result === PiResult.GUARD ? "guard tag" : "reference tag";
    queue.layer.tracer?.trace("blk_integrity_verify", { disk: disk.name, interval, mismatch: tag });
    return false;
  }

  #intervals(bytes: number): number {
    return Math.floor(bytes / this.#integrity!.intervalBytes);
  }
}

/**
 * Gives a bio a payload that its submitter fills: `bioIntegrityAlloc(bio).set(tuples, 0, seed)`. Its data must be added
 * before. The block layer then neither makes nor checks tuples.
 *
 * @throws BlkError EOPNOTSUPP for a bio with an encryption context, and on a device without integrity; ENOMEM when
 * payloads have run out.
 * @kernel block/bio-integrity.c: bio_integrity_alloc
 */
export function bioIntegrityAlloc(bio: Bio): BioIntegrityPayload {
  const { limits, layer } = bio.bdev!.queue;
  const op = "bio_integrity_alloc";
  if (bio.cryptCtx !== null) throw new BlkError("EOPNOTSUPP", op, "the bio has an encryption context");
  if (bio.integrity !== null) throw new BlkBug("a bio is given protection information twice");
  if (limits.integrity === null) throw new BlkError("EOPNOTSUPP", op, `${bio.bdev!.name} has no integrity`);
  const payload = layer.integrityPool.tryGet();
  if (payload === null) throw new BlkError("ENOMEM", op, `all ${layer.integrityPool.capacity} payloads are in use`);
  payload.attach(bio, limits.integrity);
  return payload;
}

/**
 * Gives a data bio that comes without protection information some, generated for a write, to be checked after a read.
 * A bio with an encryption context gets none: its data is not what the device will store. False when payloads have run
 * out: the bio has to wait for one.
 *
 * @context hot, may wait: no
 * @kernel block/bio-integrity-auto.c: bio_integrity_prep; block/bio-integrity.c: __bio_integrity_action
 */
export function bioIntegrityPrep(bio: Bio, integrity: IntegrityLimits): boolean {
  if (!bio.hasData || bio.integrity !== null || bio.cryptCtx !== null) return true;
  const payload = bio.bdev!.queue.layer.integrityPool.tryGet();
  if (payload === null) return false;
  payload.attach(bio, integrity);
  payload.makeForBio();
  return true;
}

/**
 * Whether bios with these payloads may share a request: both have one or neither.
 *
 * @kernel block/blk-integrity.c: blk_integrity_merge_bio
 */
export function bioIntegrityMergeable(a: Bio, b: Bio): boolean {
  return (a.integrity === null) === (b.integrity === null);
}
