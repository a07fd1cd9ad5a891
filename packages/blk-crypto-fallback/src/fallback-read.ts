import {
  type Bio,
  BioCryptCtx,
  type BioEndIo,
  BlkStatus,
  type BlockLayer,
  BvecIter,
  Pool,
  WorkItem,
} from "@inlinecrypt/blk-core";
import { BioBacklog, Progress } from "./bio-backlog.js";
import { bytesView } from "./bytes-view.js";
import type { FallbackKeyslots } from "./fallback-keyslots.js";

/**
 * A read on its way through the device: what its submitter wanted to happen at the end, and what is to be decrypted
 * then. Lower layers split the bio and move its position; this one stays.
 *
 * @kernel block/blk-crypto-fallback.c: bio_fallback_crypt_ctx
 */
class FallbackRead {
  bio: Bio | null = null;
  onEndIo: BioEndIo | null = null;
  privateData: unknown = null;
  readonly iter = new BvecIter();
  readonly cryptCtx = new BioCryptCtx();
  readonly decryptWork: WorkItem;

  constructor(decrypt: (read: FallbackRead) => void) {
    this.decryptWork = new WorkItem(() => decrypt(this));
  }

  save(bio: Bio): void {
    this.bio = bio;
    this.onEndIo = bio.onEndIo;
    this.privateData = bio.privateData;
    this.iter.save(bio);
    this.cryptCtx.copyFrom(bio.cryptCtx!);
  }

  clear(): void {
    this.bio = null;
    this.onEndIo = null;
    this.privateData = null;
    this.cryptCtx.key = null;
  }
}

/**
 * Reads: the bio goes down without its context; when the device is done, a work item decrypts in place and ends it.
 *
 * @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_decrypt_bio
 */
export class FallbackReads {
  readonly #layer: BlockLayer;
  readonly #keyslots: FallbackKeyslots;
  readonly #reads: Pool<FallbackRead>;
  readonly #backlog: BioBacklog;
  readonly #onReadEnd = (bio: Bio): void => this.#readEnded(bio);

  constructor(layer: BlockLayer, keyslots: FallbackKeyslots, readCount: number) {
    this.#layer = layer;
    this.#keyslots = keyslots;
    this.#reads = new Pool(
      "bio_fallback_crypt_ctx",
      readCount,
      () => new FallbackRead((read) => this.#decrypt(read)),
      layer.failAlloc,
    );
    this.#backlog = new BioBacklog(layer.executor, this.#reads, (bio) => this.#hookAndSubmit(bio));
  }

  get isIdle(): boolean {
    return this.#reads.inUse === 0 && this.#backlog.isEmpty;
  }

  /** Takes over a read whose memory is aligned to its data units. True: the caller submits it now. */
  prep(bio: Bio): boolean {
    if (this.#backlog.isEmpty && this.#hook(bio)) return true;
    this.#backlog.submit(bio);
    return false;
  }

  #hookAndSubmit(bio: Bio): Progress {
    if (!this.#hook(bio)) return Progress.STALLED;
    this.#layer.submitBioNoacct(bio);
    return Progress.DONE;
  }

  #hook(bio: Bio): boolean {
    const read = this.#reads.tryGet();
    if (read === null) return false;
    read.save(bio);
    bio.freeCryptCtx();
    bio.privateData = read;
    bio.onEndIo = this.#onReadEnd;
    return true;
  }

  /** @context interrupt. @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_decrypt_endio */
  #readEnded(bio: Bio): void {
    const read = bio.privateData as FallbackRead;
    bio.onEndIo = read.onEndIo;
    bio.privateData = read.privateData;
    if (bio.status === BlkStatus.OK) this.#layer.executor.queueWork(read.decryptWork);
    else this.#finish(read);
  }

  #decrypt(read: FallbackRead): void {
    read.bio!.status = this.#decryptInPlace(read);
    this.#finish(read);
  }

  #finish(read: FallbackRead): void {
    const bio = read.bio!;
    read.clear();
    this.#reads.put(read);
    bio.resumeEndIo();
  }

  #decryptInPlace(read: FallbackRead): BlkStatus {
    const status = this.#keyslots.getCipher(read.cryptCtx.key!);
    if (status !== BlkStatus.OK) return status;
    const result = this.#decryptRuns(read);
    this.#keyslots.putCipher();
    return result;
  }

  #decryptRuns(read: FallbackRead): BlkStatus {
    const { iter, cryptCtx, bio } = read;
    let left = iter.bytes;
    for (let index = iter.vecIndex, done = iter.vecDone; left > 0; index++, done = 0) {
      const vec = bio!.vecs[index]!;
      const bytes = Math.min(vec.bytes - done, left);
      const data = bytesView(vec.data, vec.offset + done, bytes);
      const status = this.#keyslots.decrypt(data, data, cryptCtx.key!.dataUnitBytes, cryptCtx.dun);
      if (status !== BlkStatus.OK) return status;
      cryptCtx.advance(bytes);
      left -= bytes;
    }
    return BlkStatus.OK;
  }
}
