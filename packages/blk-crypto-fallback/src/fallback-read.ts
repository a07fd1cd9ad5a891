import {
  BIO_CHUNK_BYTES,
  type Bio,
  BioCryptCtx,
  type BioEndIo,
  BlkStatus,
  type BlockLayer,
  BvecIter,
  copyDun,
  KEYSLOT_PENDING,
  KeyslotWaiter,
  Pool,
  ReqFlag,
  WorkItem,
} from "@inlinecrypt/blk-core";
import { isOffloadEngine, type SharedMemory, type SkcipherEngine, SkcipherRequest } from "@inlinecrypt/skcipher";
import { hasSpreadUnits } from "./alignment.js";
import { BioBacklog, Progress } from "./bio-backlog.js";
import { gather, scatter } from "./bio-copy.js";
import { bytesView } from "./bytes-view.js";
import type { FallbackKeyslots } from "./fallback-keyslots.js";

/** Reads decrypted off the event loop at a time, each through up to 1 MiB of shared memory; it decrypts others itself. */
const OFFLOADED_READS = 16;

/**
 * A read on its way through the device: what it was for its submitter, and what is to be decrypted at the end. Lower
 * layers split the bio and move its position; this one moves only as data is decrypted.
 *
 * @kernel block/blk-crypto-fallback.c: bio_fallback_crypt_ctx
 */
class FallbackRead {
  bio: Bio | null = null;
  opf = 0;
  onEndIo: BioEndIo | null = null;
  privateData: unknown = null;
  readonly iter = new BvecIter();
  readonly cryptCtx = new BioCryptCtx();
  readonly decryptWork: WorkItem;
  readonly waiter: KeyslotWaiter;
  /** Decrypts a part of the data in shared memory. */
  readonly request: SkcipherRequest;

  constructor(
    decrypt: (read: FallbackRead) => void,
    granted: (read: FallbackRead, status: BlkStatus) => void,
    decrypted: (read: FallbackRead, error: Error | null) => void,
  ) {
    this.decryptWork = new WorkItem(() => decrypt(this));
    this.waiter = new KeyslotWaiter((status) => granted(this, status));
    this.request = new SkcipherRequest((error) => decrypted(this, error));
  }

  save(bio: Bio): void {
    this.bio = bio;
    this.opf = bio.opf;
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
  /** Null when the engine does not compute off the event loop. */
  readonly #memories: Pool<SharedMemory> | null;
  /** For data units spread over segments, made when first needed. */
  #scratch: Uint8Array | null = null;
  readonly #backlog: BioBacklog;
  readonly #onReadEnd = (bio: Bio): void => this.#readEnded(bio);

  constructor(layer: BlockLayer, keyslots: FallbackKeyslots, engine: SkcipherEngine, readCount: number) {
    this.#layer = layer;
    this.#keyslots = keyslots;
    this.#reads = new Pool("bio_fallback_crypt_ctx", readCount, () => this.#newRead(), layer.failAlloc);
    this.#memories = newMemoryPool(layer, engine);
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

  #newRead(): FallbackRead {
    return new FallbackRead(
      (read) => this.#getCipher(read),
      (read, status) => this.#gotCipher(read, status),
      (read, error) => this.#decryptedOff(read, error),
    );
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
    bio.opf |= ReqFlag.SKIP_DM_DEFAULT_KEY;
    bio.privateData = read;
    bio.onEndIo = this.#onReadEnd;
    return true;
  }

  /** @context interrupt. @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_decrypt_endio */
  #readEnded(bio: Bio): void {
    const read = bio.privateData as FallbackRead;
    bio.opf = read.opf;
    bio.onEndIo = read.onEndIo;
    bio.privateData = read.privateData;
    if (bio.status === BlkStatus.OK) this.#layer.executor.queueWork(read.decryptWork);
    else this.#finish(read, bio.status);
  }

  #getCipher(read: FallbackRead): void {
    const result = this.#keyslots.getCipher(read.waiter, read.cryptCtx.key!);
    if (result !== KEYSLOT_PENDING) this.#gotCipher(read, result);
  }

  #gotCipher(read: FallbackRead, status: BlkStatus): void {
    if (status === BlkStatus.OK) this.#decryptRest(read);
    else this.#finish(read, status);
  }

  /** Off the event loop as much as shared memory holds, or all of it here. */
  #decryptRest(read: FallbackRead): void {
    const bytes = Math.min(read.iter.bytes, BIO_CHUNK_BYTES);
    const memory = this.#keyslots.offloads(read.waiter, bytes) ? this.#memories!.tryGet() : null;
    if (memory === null) this.#decrypted(read, this.#decryptHere(read));
    else this.#decryptOff(read, memory, bytes);
  }

  #decryptOff(read: FallbackRead, memory: SharedMemory, bytes: number): void {
    const { request, cryptCtx } = read;
    gather(read.bio!.vecs, read.iter, memory.bytes, bytes);
    request.memory = memory;
    request.bytes = bytes;
    request.dataUnitBytes = cryptCtx.key!.dataUnitBytes;
    copyDun(request.dun, cryptCtx.dun);
    this.#keyslots.decryptOff(read.waiter, request);
  }

  #decryptedOff(read: FallbackRead, error: Error | null): void {
    const { memory, bytes } = read.request;
    const status = this.#keyslots.decryptStatus(error);
    if (status === BlkStatus.OK) this.#scatter(read, bytesView(memory!.bytes, 0, bytes));
    read.request.memory = null;
    this.#memories!.put(memory!);
    if (status === BlkStatus.OK && read.iter.bytes > 0) this.#decryptRest(read);
    else this.#decrypted(read, status);
  }

  #decryptHere(read: FallbackRead): BlkStatus {
    const { dataUnitBytes } = read.cryptCtx.key!;
    if (!hasSpreadUnits(read.bio!, read.iter, dataUnitBytes)) return this.#decryptRuns(read);
    this.#scratch ??= new Uint8Array(BIO_CHUNK_BYTES);
    while (read.iter.bytes > 0) {
      const data = bytesView(this.#scratch, 0, Math.min(read.iter.bytes, BIO_CHUNK_BYTES));
      gather(read.bio!.vecs, read.iter, data, data.length);
      const status = this.#keyslots.decrypt(read.waiter, data, data, dataUnitBytes, read.cryptCtx.dun);
      if (status !== BlkStatus.OK) return status;
      this.#scatter(read, data);
    }
    return BlkStatus.OK;
  }

  #scatter(read: FallbackRead, plaintext: Uint8Array): void {
    scatter(read.bio!.vecs, read.iter, plaintext, plaintext.length);
    read.cryptCtx.advance(plaintext.length);
  }

  #decryptRuns(read: FallbackRead): BlkStatus {
    const { iter, cryptCtx, bio, waiter } = read;
    let left = iter.bytes;
    for (let index = iter.vecIndex, done = iter.vecDone; left > 0; index++, done = 0) {
      const vec = bio!.vecs[index]!;
      const bytes = Math.min(vec.bytes - done, left);
      const data = bytesView(vec.data, vec.offset + done, bytes);
      const status = this.#keyslots.decrypt(waiter, data, data, cryptCtx.key!.dataUnitBytes, cryptCtx.dun);
      if (status !== BlkStatus.OK) return status;
      cryptCtx.advance(bytes);
      left -= bytes;
    }
    return BlkStatus.OK;
  }

  #decrypted(read: FallbackRead, status: BlkStatus): void {
    this.#keyslots.putCipher(read.waiter);
    this.#finish(read, status);
  }

  #finish(read: FallbackRead, status: BlkStatus): void {
    const bio = read.bio!;
    bio.status = status;
    read.clear();
    this.#reads.put(read);
    bio.resumeEndIo();
  }
}

function newMemoryPool(layer: BlockLayer, engine: SkcipherEngine): Pool<SharedMemory> | null {
  if (!isOffloadEngine(engine)) return null;
  const create = (): SharedMemory => engine.allocShared(BIO_CHUNK_BYTES);
  return new Pool("blk_crypto_read_memory", OFFLOADED_READS, create, layer.failAlloc);
}
