import { type Bio, type BioSet, BlkStatus, type Quota, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { statusToNbdError } from "../protocol/errors.js";
import { MAX_BUFFER_BYTES } from "./buffer-pool.js";
import type { NbdRequest, RequestStep } from "./nbd-request.js";

/** Where the data of an I/O is. */
export const IoSource = {
  /** The buffers of the covering blocks, from the first on. */
  BUFFERS: 0,
  /** The scratch block. */
  SCRATCH: 1,
  /** The layer's zeroes. */
  ZEROES: 2,
  /** Nowhere: discard, write zeroes, flush. */
  NONE: 3,
} as const;
export type IoSource = (typeof IoSource)[keyof typeof IoSource];

/** Most bios a request has in flight; the rest follows when they have ended. Keeps one request from taking the set. */
const MAX_BIOS = 8;

/** Most bytes of one bio without data. */
const NO_DATA_BIO_BYTES = 2 ** 30;

/**
 * Reads or writes `bytes` (0 for a flush) at byte `offset` of the volume, in bios of bounded size, a few at a time.
 * When all have ended, `onDone` or `onFailed` runs, perhaps before this returns.
 *
 * @context hot
 */
export function startIo(
  rq: NbdRequest,
  opf: number,
  source: IoSource,
  offset: number,
  bytes: number,
  onDone: RequestStep,
  onFailed: RequestStep = failRequest,
): void {
  rq.ioOpf = opf;
  rq.ioSource = source;
  rq.ioOffset = offset;
  rq.ioBytesLeft = bytes;
  rq.ioBytesDone = 0;
  rq.ioStatus = BlkStatus.OK;
  rq.onIoDone = onDone;
  rq.onIoFailed = onFailed;
  submitBatch(rq);
}

/** Ends a request whose I/O failed. */
export function failRequest(rq: NbdRequest): void {
  rq.error = statusToNbdError(rq.ioStatus);
  endRequest(rq);
}

/** Releases the range, if one is held, and hands the request back to its connection. */
export function endRequest(rq: NbdRequest): void {
  if (rq.range.linked) rq.owner.exported.rangeLock.release(rq.range);
  rq.owner.requestEnded(rq);
}

/**
 * Submits up to `MAX_BIOS` bios. Without a free one, or without an encryption context for it, it waits for that; with
 * some in flight it goes on after those.
 */
function submitBatch(rq: NbdRequest): void {
  const { layer } = rq.owner.exported;
  rq.ioPending = 1;
  // Not bounded by `ioPending`: bios may end before the next is submitted.
  for (let count = 0; count < MAX_BIOS; count++) {
    const bio = layer.bioSet.tryAlloc(rq.owner.exported.volume.bdev, rq.ioOpf);
    if (bio === null) return submitLater(rq, count, layer.bioSet);
    if (!placeBio(rq, bio)) {
      bio.put();
      return submitLater(rq, count, layer.cryptCtxs);
    }
    fillBio(rq, bio);
    rq.ioPending++;
    layer.submitBio(bio);
    if (rq.ioBytesLeft === 0) break;
  }
  dropPending(rq);
}

/** When the `submitted` bios of this batch have ended; without any, when `lacking` has what it lacks. */
function submitLater(rq: NbdRequest, submitted: number, lacking: BioSet | Quota): void {
  if (submitted > 0) return dropPending(rq);
  rq.deferred = submitBatch;
  lacking.wait(rq.bioWaiter);
}

/** False when there is no encryption context for it. */
function placeBio(rq: NbdRequest, bio: Bio): boolean {
  bio.sector = rq.ioOffset / SECTOR_BYTES;
  return rq.ioSource === IoSource.NONE || rq.owner.exported.volume.attachContext(bio);
}

function fillBio(rq: NbdRequest, bio: Bio): void {
  bio.onEndIo = ioBioEndIo;
  bio.privateData = rq;
  const bytes = addMemory(rq, bio);
  rq.ioOffset += bytes;
  rq.ioBytesDone += bytes;
  rq.ioBytesLeft -= bytes;
}

function addMemory(rq: NbdRequest, bio: Bio): number {
  if (rq.ioSource === IoSource.NONE) {
    bio.bytes = Math.min(rq.ioBytesLeft, NO_DATA_BIO_BYTES);
    return bio.bytes;
  }
  const bytes = Math.min(rq.ioBytesLeft, MAX_BUFFER_BYTES);
  bio.addBuffer(memoryOf(rq), 0, bytes);
  return bytes;
}

function memoryOf(rq: NbdRequest): Uint8Array {
  if (rq.ioSource === IoSource.SCRATCH) return rq.scratch;
  if (rq.ioSource === IoSource.ZEROES) return rq.owner.exported.layer.zeroes;
  return rq.buffers[rq.ioBytesDone / MAX_BUFFER_BYTES]!;
}

function ioBioEndIo(bio: Bio): void {
  const rq = bio.privateData as NbdRequest;
  const status = bio.status;
  bio.put();
  if (rq.ioStatus === BlkStatus.OK) rq.ioStatus = status;
  dropPending(rq);
}

function dropPending(rq: NbdRequest): void {
  rq.ioPending--;
  if (rq.ioPending > 0) return;
  if (rq.ioStatus !== BlkStatus.OK) return rq.onIoFailed(rq);
  if (rq.ioBytesLeft === 0) return rq.onIoDone(rq);
  // The next batch is for the next turn of the event loop: zeroing gigabytes must not keep other clients waiting.
  rq.deferred = submitBatch;
  rq.queueWork();
}
