import { type Bio, BlkBug, type BlkRequest, BlkStatus, opOf, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import type { LoopCmd } from "./loop-backing.js";
import type { LoopBdevBacking } from "./loop-bdev-backing.js";

/** What the device below has to know of a request. */
const PASSED_FLAGS = ReqFlag.SYNC | ReqFlag.FUA | ReqFlag.NOUNMAP;

/**
 * A request's way to the block device below and back: one bio, as large as the request. The device below cuts it to its
 * own limits.
 *
 * @kernel drivers/block/loop.c: lo_rw_aio
 */
export class LoopBdevCmd implements LoopCmd {
  readonly #rq: BlkRequest;
  readonly #backing: LoopBdevBacking;

  constructor(rq: BlkRequest, backing: LoopBdevBacking) {
    this.#rq = rq;
    this.#backing = backing;
  }

  start(): BlkStatus {
    const op = opOf(this.#rq.opf);
    const bio = this.#backing.bios.tryAlloc(this.#backing.bdev, bioOpf(this.#rq.opf));
    // There is one for each request, unless a test takes it away.
    if (bio === null) return BlkStatus.RESOURCE;
    bio.sector = this.#rq.sector;
    bio.privateData = this;
    bio.onEndIo = onBioEnd;
    if (op <= ReqOp.WRITE) this.#addMemory(bio);
    else if (op !== ReqOp.FLUSH) bio.bytes = this.#rq.bytes;
    if (op === ReqOp.FLUSH) this.#backing.flushStarts();
    this.#rq.queue.layer.submitBio(bio);
    return BlkStatus.OK;
  }

  /** @kernel drivers/block/loop.c: lo_rw_aio_complete */
  ended(bio: Bio): void {
    const { status } = bio;
    bio.put();
    const op = opOf(this.#rq.opf);
    const isClean = op === ReqOp.READ || (op === ReqOp.FLUSH && status === BlkStatus.OK);
    if (!isClean) this.#backing.markDirty();
    this.#rq.complete(status);
  }

  #addMemory(bio: Bio): void {
    const { segments } = this.#backing;
    for (segments.start(this.#rq.bio); segments.next(); ) {
      if (bio.addBuffer(segments.data, segments.offset, segments.bytes)) continue;
      throw new BlkBug(`a request of ${this.#rq.bytes} bytes does not fit a bio`);
    }
  }
}

function bioOpf(opf: number): number {
  if (opOf(opf) === ReqOp.FLUSH) return ReqOp.WRITE | ReqFlag.PREFLUSH | ReqFlag.SYNC;
  return opOf(opf) | (opf & PASSED_FLAGS);
}

function onBioEnd(bio: Bio): void {
  (bio.privateData as LoopBdevCmd).ended(bio);
}
