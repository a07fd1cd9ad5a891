import {
  BIO_CHUNK_BYTES,
  type Bio,
  BioSet,
  BlkStatus,
  type BlockLayer,
  copyDun,
  KEYSLOT_PENDING,
  KeyslotWaiter,
  Pool,
  ReqFlag,
} from "@inlinecrypt/blk-core";
import { isOffloadEngine, type SkcipherEngine, SkcipherRequest } from "@inlinecrypt/skcipher";
import { hasSpreadUnits } from "./alignment.js";
import { BioBacklog, Progress } from "./bio-backlog.js";
import { bytesView } from "./bytes-view.js";
import type { FallbackKeyslots } from "./fallback-keyslots.js";

/** What a bounce bio needs besides itself: all its memory at once, so that nobody waits for a second half. */
class Bounce {
  /** The operating system backs only what has been written to. */
  readonly memory: Uint8Array;
  readonly waiter: KeyslotWaiter;
  /** Encrypts all of the bio's memory in place, where the engine can. */
  readonly request: SkcipherRequest;
  bio: Bio | null = null;
  /** The write it is a part of. */
  source: Bio | null = null;

  constructor(
    engine: SkcipherEngine,
    granted: (bounce: Bounce, status: BlkStatus) => void,
    encrypted: (bounce: Bounce, error: Error | null) => void,
  ) {
    this.waiter = new KeyslotWaiter((status) => granted(this, status));
    this.request = new SkcipherRequest((error) => encrypted(this, error));
    this.request.memory = isOffloadEngine(engine) ? engine.allocShared(BIO_CHUNK_BYTES) : null;
    this.memory = this.request.memory?.bytes ?? new Uint8Array(BIO_CHUNK_BYTES);
  }
}

/**
 * Writes: the data is encrypted into bounce memory, and plain bounce bios go down in place of the source, which ends
 * after the last of them. The source's memory is only read.
 *
 * @kernel block/blk-crypto-fallback.c: __blk_crypto_fallback_encrypt_bio
 */
export class FallbackWrites {
  readonly #layer: BlockLayer;
  readonly #keyslots: FallbackKeyslots;
  readonly #bounces: Pool<Bounce>;
  /** As many as there are bounces: whoever has one gets a bio, so that nobody has half of what it needs and waits. */
  readonly #bounceBios: BioSet;
  readonly #backlog: BioBacklog;
  readonly #onBounceEnd = (bounceBio: Bio): void => this.#bounceEnded(bounceBio);

  constructor(layer: BlockLayer, keyslots: FallbackKeyslots, engine: SkcipherEngine, bounceCount: number) {
    this.#layer = layer;
    this.#keyslots = keyslots;
    this.#bounces = new Pool("blk_crypto_bounce", bounceCount, () => this.#newBounce(engine), layer.failAlloc);
    this.#bounceBios = new BioSet("blk_crypto_bounce_bio", bounceCount, layer.cryptCtxs);
    this.#backlog = new BioBacklog(layer.executor, this.#bounces, (source) => this.#encryptNext(source));
  }

  get isIdle(): boolean {
    return this.#bounces.inUse === 0 && this.#backlog.isEmpty;
  }

  /** Takes over a write whose memory is aligned to its data units, and ends it. */
  submit(source: Bio): void {
    this.#backlog.submit(source);
  }

  #newBounce(engine: SkcipherEngine): Bounce {
    return new Bounce(
      engine,
      (bounce, status) => this.#granted(bounce, status),
      (bounce, error) => this.#encryptedOff(bounce, error),
    );
  }

  /** Encrypts and submits as much as one bounce holds. */
  #encryptNext(source: Bio): Progress {
    const bounce = this.#tryGetBounce(source);
    if (bounce === null) return Progress.STALLED;
    const result = this.#keyslots.getCipher(bounce.waiter, source.cryptCtx!.key!);
    // It has all else it needs, and others may go on: `#granted` takes the source up again.
    if (result === KEYSLOT_PENDING) return Progress.DONE;
    return this.#encrypt(bounce, result);
  }

  #granted(bounce: Bounce, status: BlkStatus): void {
    const source = bounce.source!;
    if (this.#encrypt(bounce, status) === Progress.MORE) this.#backlog.resume(source);
  }

  /** @kernel block/blk-crypto-fallback.c: blk_crypto_alloc_enc_bio */
  #tryGetBounce(source: Bio): Bounce | null {
    const bounce = this.#bounces.tryGet();
    if (bounce === null) return null;
    const bounceBio = this.#bounceBios.tryAlloc(source.bdev, source.opf)!;
    bounceBio.opf |= ReqFlag.SKIP_DM_DEFAULT_KEY;
    bounceBio.sector = source.sector;
    bounceBio.remapped = source.remapped;
    bounceBio.privateData = bounce;
    bounceBio.onEndIo = this.#onBounceEnd;
    bounce.bio = bounceBio;
    bounce.source = source;
    return bounce;
  }

  /** Encrypts here or elsewhere until the source or the bounce ends; `status` is that of getting the cipher. */
  #encrypt(bounce: Bounce, status: BlkStatus): Progress {
    const source = bounce.source!;
    if (status !== BlkStatus.OK) {
      this.#drop(bounce, status);
      return Progress.DONE;
    }
    const isOff = this.#keyslots.offloads(bounce.waiter, Math.min(source.bytes, bounce.memory.length));
    const result = isOff ? this.#gather(bounce) : this.#encryptHere(bounce);
    // Asked before the bounce goes down: it may take the source, when it is the last one, with it.
    const isLast = source.bytes === 0 || result !== BlkStatus.OK;
    if (!isLast) this.#split(source, bounce.bio!);
    if (isOff) this.#keyslots.encryptOff(bounce.waiter, bounce.request);
    else this.#encrypted(bounce, result);
    return isLast ? Progress.DONE : Progress.MORE;
  }

  #split(source: Bio, front: Bio): void {
    source.holdEnd();
    this.#layer.tracepoints.blockSplit.emit?.(front, source.sector);
  }

  #encryptHere(bounce: Bounce): BlkStatus {
    const source = bounce.source!;
    const { dataUnitBytes } = source.cryptCtx!.key!;
    if (!hasSpreadUnits(source, source, dataUnitBytes)) return this.#encryptRuns(bounce);
    this.#gather(bounce);
    const data = bytesView(bounce.memory, 0, bounce.request.bytes);
    return this.#keyslots.encrypt(bounce.waiter, data, data, dataUnitBytes, bounce.request.dun);
  }

  /** The source's position, and with it the DUN, moves along. */
  #encryptRuns(bounce: Bounce): BlkStatus {
    const source = bounce.source!;
    const { key, dun } = source.cryptCtx!;
    for (let bytes = nextRunBytes(bounce); bytes > 0; bytes = nextRunBytes(bounce)) {
      const ciphertext = bytesView(bounce.memory, bounce.bio!.bytes, bytes);
      const plaintext = nextRun(source, bytes);
      const status = this.#keyslots.encrypt(bounce.waiter, plaintext, ciphertext, key!.dataUnitBytes, dun);
      if (status !== BlkStatus.OK) return status;
      moveOn(bounce, bytes);
    }
    return BlkStatus.OK;
  }

  /** Copies the plaintext into the bounce, to be encrypted there. */
  #gather(bounce: Bounce): BlkStatus {
    const { request, memory } = bounce;
    const cryptCtx = bounce.source!.cryptCtx!;
    request.dataUnitBytes = cryptCtx.key!.dataUnitBytes;
    copyDun(request.dun, cryptCtx.dun);
    for (let bytes = nextRunBytes(bounce); bytes > 0; bytes = nextRunBytes(bounce)) {
      memory.set(nextRun(bounce.source!, bytes), bounce.bio!.bytes);
      moveOn(bounce, bytes);
    }
    request.bytes = bounce.bio!.bytes;
    // Segment by segment, the DUN does not move by data units of which none has more than a part.
    copyDun(cryptCtx.dun, request.dun);
    cryptCtx.advance(request.bytes);
    return BlkStatus.OK;
  }

  #encryptedOff(bounce: Bounce, error: Error | null): void {
    this.#encrypted(bounce, this.#keyslots.encryptStatus(error));
  }

  /**
   * The keyslot is free again before anything goes down: a device may end the bio at once, and the submitter may evict its
   * key then.
   */
  #encrypted(bounce: Bounce, status: BlkStatus): void {
    this.#keyslots.putCipher(bounce.waiter);
    if (status === BlkStatus.OK) return this.#layer.submitBioNoacct(bounce.bio!);
    // What was gathered and not encrypted is plaintext.
    bounce.memory.fill(0, 0, bounce.bio!.bytes);
    this.#drop(bounce, status);
  }

  /** @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_encrypt_endio */
  #bounceEnded(bounceBio: Bio): void {
    this.#drop(bounceBio.privateData as Bounce, bounceBio.status);
  }

  /** Gives the bounce back and ends its part of the source. */
  #drop(bounce: Bounce, status: BlkStatus): void {
    const source = bounce.source!;
    const bounceBio = bounce.bio!;
    bounce.source = null;
    bounce.bio = null;
    bounceBio.put();
    this.#bounces.put(bounce);
    source.endIoWith(status);
  }
}

/** How much of the source fits the bounce in one piece; 0 at the end of either. */
function nextRunBytes({ source, bio, memory }: Bounce): number {
  if (source!.bytes === 0) return 0;
  const vecBytes = source!.vecs[source!.vecIndex]!.bytes - source!.vecDone;
  return Math.min(vecBytes, source!.bytes, memory.length - bio!.bytes);
}

/** The source's next `bytes`, which lie in one piece. */
function nextRun(source: Bio, bytes: number): Uint8Array {
  const vec = source.vecs[source.vecIndex]!;
  return bytesView(vec.data, vec.offset + source.vecDone, bytes);
}

/** The vectors of the bounce mirror those of the source. */
function moveOn({ source, bio, memory }: Bounce, bytes: number): void {
  bio!.addBuffer(memory, bio!.bytes, bytes);
  source!.advance(bytes);
}
