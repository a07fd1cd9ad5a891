import { BIO_CHUNK_BYTES, type Bio, type BioSet, BlkStatus, type BlockLayer, Pool } from "@inlinecrypt/blk-core";
import { BioBacklog, Progress } from "./bio-backlog.js";
import { bytesView } from "./bytes-view.js";
import type { FallbackKeyslots } from "./fallback-keyslots.js";

/** What a bounce bio needs besides itself: all its memory at once, so that nobody waits for a second half. */
class Bounce {
  /** The operating system backs only what has been written to. */
  readonly buffer = new Uint8Array(BIO_CHUNK_BYTES);
  /** The write it is a part of. */
  source: Bio | null = null;
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
  readonly #bounceBios: BioSet;
  /** As many as there are bounce bios: whoever has a bio gets one. */
  readonly #bounces: Pool<Bounce>;
  readonly #backlog: BioBacklog;
  readonly #onBounceEnd = (bounceBio: Bio): void => this.#bounceEnded(bounceBio);

  constructor(layer: BlockLayer, keyslots: FallbackKeyslots, bounceCount: number) {
    this.#layer = layer;
    this.#keyslots = keyslots;
    this.#bounceBios = layer.newBioSet("blk_crypto_bounce_bio", bounceCount);
    this.#bounces = new Pool("blk_crypto_bounce", bounceCount, () => new Bounce());
    this.#backlog = new BioBacklog(layer.executor, this.#bounceBios, (source) => this.#encryptNext(source));
  }

  get isIdle(): boolean {
    return this.#bounceBios.inUse === 0 && this.#backlog.isEmpty;
  }

  /** Takes over a write whose memory is aligned to its data units, and ends it. */
  submit(source: Bio): void {
    this.#backlog.submit(source);
  }

  /** Encrypts and submits as much as one bounce holds. */
  #encryptNext(source: Bio): Progress {
    const bounceBio = this.#bounceBios.tryAlloc(source.bdev, source.opf);
    if (bounceBio === null) return Progress.STALLED;
    const bounce = this.#bounces.tryGet()!;
    const status = this.#encrypt(source, bounceBio, bounce.buffer);
    if (status !== BlkStatus.OK) {
      this.#bounces.put(bounce);
      bounceBio.put();
      source.endIoWith(status);
      return Progress.DONE;
    }
    bounce.source = source;
    bounceBio.privateData = bounce;
    bounceBio.onEndIo = this.#onBounceEnd;
    const isLast = source.bytes === 0;
    if (!isLast) source.holdEnd();
    // The keyslot is free again: a device may end the bio before this returns, and the submitter may evict its key then.
    this.#layer.submitBioNoacct(bounceBio);
    return isLast ? Progress.DONE : Progress.MORE;
  }

  /** @kernel block/blk-crypto-fallback.c: blk_crypto_alloc_enc_bio */
  #encrypt(source: Bio, bounceBio: Bio, buffer: Uint8Array): BlkStatus {
    const status = this.#keyslots.getCipher(source.cryptCtx!.key!);
    if (status !== BlkStatus.OK) return status;
    bounceBio.sector = source.sector;
    bounceBio.remapped = source.remapped;
    const result = this.#encryptRuns(source, bounceBio, buffer);
    this.#keyslots.putCipher();
    return result;
  }

  /** Encrypts until the source or the buffer ends; the source's position, and with it the DUN, moves along. */
  #encryptRuns(source: Bio, bounceBio: Bio, buffer: Uint8Array): BlkStatus {
    const { key, dun } = source.cryptCtx!;
    while (source.bytes > 0 && bounceBio.bytes < buffer.length) {
      const vec = source.vecs[source.vecIndex]!;
      const bytes = Math.min(vec.bytes - source.vecDone, source.bytes, buffer.length - bounceBio.bytes);
      const plaintext = bytesView(vec.data, vec.offset + source.vecDone, bytes);
      const ciphertext = bytesView(buffer, bounceBio.bytes, bytes);
      const status = this.#keyslots.encrypt(plaintext, ciphertext, key!.dataUnitBytes, dun);
      if (status !== BlkStatus.OK) return status;
      bounceBio.addBuffer(buffer, bounceBio.bytes, bytes);
      source.advance(bytes);
    }
    return BlkStatus.OK;
  }

  /** @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_encrypt_endio */
  #bounceEnded(bounceBio: Bio): void {
    const bounce = bounceBio.privateData as Bounce;
    const source = bounce.source!;
    const status = bounceBio.status;
    bounce.source = null;
    this.#bounces.put(bounce);
    bounceBio.put();
    source.endIoWith(status);
  }
}
