import { SECTOR_BYTES } from "./bio.js";
import type { BioIntegrityPayload } from "./bio-integrity.js";
import type { BioVec } from "./bio-vec.js";
import type { BlkRequest } from "./blk-request.js";
import { crcT10Dif } from "./crc-t10dif.js";
import { ipChecksumAdd, ipChecksumFold } from "./ip-checksum.js";
import { PI_TUPLE_BYTES } from "./limits.js";
import { opOf, ReqOp } from "./opf.js";

/** A tuple: guard tag (2 bytes), application tag (2), reference tag (4), all big-endian. @kernel include/linux/t10-pi.h: t10_pi_tuple */
const APP_TAG_AT = 2;
const REF_TAG_AT = 4;

/** Tags of a tuple that protects nothing: a block that was never written. */
const APP_TAG_ESCAPE = 0xffff;
const REF_TAG_ESCAPE = 0xffffffff;

/** What a tuple does not match; OK when it does. */
export const PiResult = { OK: 0, GUARD: 1, REF: 2 } as const;
export type PiResult = (typeof PiResult)[keyof typeof PiResult];

const NO_VECS: readonly BioVec[] = [];

/** Computes the guards of consecutive intervals. Intervals may span memory runs, and a run may end anywhere. */
export class GuardWalk {
  #vecs = NO_VECS;
  #vecIndex = 0;
  #vecDone = 0;

  /** Starts `vecDone` bytes into vector `vecIndex`. */
  start(vecs: readonly BioVec[], vecIndex: number, vecDone: number): void {
    this.#vecs = vecs;
    this.#vecIndex = vecIndex;
    this.#vecDone = vecDone;
  }

  /** Forgets the memory. */
  clear(): void {
    this.start(NO_VECS, 0, 0);
  }

  /** The guard of the next `bytes`. @kernel block/t10-pi.c: blk_calculate_guard */
  next(csum: "crc" | "ip", bytes: number): number {
    let guard = 0;
    for (let done = 0; done < bytes; ) {
      const vec = this.#vecs[this.#vecIndex]!;
      const run = Math.min(vec.bytes - this.#vecDone, bytes - done);
      const offset = vec.offset + this.#vecDone;
      if (csum === "crc") guard = crcT10Dif(guard, vec.data, offset, run);
      else guard = ipChecksumAdd(guard, vec.data, offset, run, done % 2 === 1);
      done += run;
      this.#skip(vec, run);
    }
    return csum === "crc" ? guard : ipChecksumFold(guard);
  }

  #skip(vec: BioVec, bytes: number): void {
    this.#vecDone += bytes;
    if (this.#vecDone < vec.bytes) return;
    this.#vecIndex++;
    this.#vecDone = 0;
  }
}

/** Writes one tuple. @kernel block/t10-pi.c: blk_set_pi */
export function setTuple(buffer: Uint8Array, at: number, type: 1 | 3, guard: number, interval: number): void {
  buffer[at] = guard >> 8;
  buffer[at + 1] = guard;
  buffer[at + APP_TAG_AT] = 0;
  buffer[at + APP_TAG_AT + 1] = 0;
  setU32(buffer, at + REF_TAG_AT, type === 1 ? interval : 0);
}

/** Checks one tuple. @kernel block/t10-pi.c: blk_verify_pi */
export function verifyTuple(buffer: Uint8Array, at: number, type: 1 | 3, guard: number, interval: number): PiResult {
  const appTag = u16(buffer, at + APP_TAG_AT);
  const refTag = u32(buffer, at + REF_TAG_AT);
  if (type === 1) {
    if (appTag === APP_TAG_ESCAPE) return PiResult.OK;
    if (refTag !== interval >>> 0) return PiResult.REF;
  } else if (appTag === APP_TAG_ESCAPE && refTag === REF_TAG_ESCAPE) {
    return PiResult.OK;
  }
  return u16(buffer, at) === guard ? PiResult.OK : PiResult.GUARD;
}

/**
 * Before a driver takes a write: reference tags that count from where the submitter's device starts become those of the
 * disk. Other tags are the submitter's own and stay.
 *
 * @kernel block/t10-pi.c: blk_integrity_prepare
 */
export function blkIntegrityPrepare(rq: BlkRequest): void {
  const integrity = rq.queue.limits.integrity;
  if (integrity === null || integrity.type !== 1 || opOf(rq.opf) !== ReqOp.WRITE) return;
  let interval = (rq.sector * SECTOR_BYTES) / integrity.intervalBytes;
  for (let bio = rq.bio; bio !== null; bio = bio.next) {
    const payload = bio.integrity;
    const intervals = bio.bytes / integrity.intervalBytes;
    if (payload !== null && !payload.remapped) {
      remapRefTags(payload, intervals, payload.seed, interval);
      payload.remapped = true;
    }
    interval += intervals;
  }
}

/**
 * After a driver has read the first `bytes` of a request: reference tags of the disk become the submitter's again.
 *
 * @kernel block/t10-pi.c: blk_integrity_complete
 */
export function blkIntegrityComplete(rq: BlkRequest, bytes: number): void {
  const integrity = rq.queue.limits.integrity;
  if (integrity === null || integrity.type !== 1 || opOf(rq.opf) !== ReqOp.READ) return;
  let interval = (rq.sector * SECTOR_BYTES) / integrity.intervalBytes;
  let left = bytes / integrity.intervalBytes;
  for (let bio = rq.bio; bio !== null && left > 0; bio = bio.next) {
    const payload = bio.integrity;
    const intervals = Math.min(bio.bytes / integrity.intervalBytes, left);
    if (payload !== null) remapRefTags(payload, intervals, interval, payload.seed);
    interval += intervals;
    left -= intervals;
  }
}

/** @kernel block/t10-pi.c: __blk_reftag_remap */
function remapRefTags(payload: BioIntegrityPayload, intervals: number, from: number, to: number): void {
  if (from === to) return;
  let at = payload.offset + REF_TAG_AT;
  for (let index = 0; index < intervals; index++, at += PI_TUPLE_BYTES) {
    if (u32(payload.buffer, at) === (from + index) >>> 0) setU32(payload.buffer, at, to + index);
  }
}

function u16(buffer: Uint8Array, at: number): number {
  return (buffer[at]! << 8) | buffer[at + 1]!;
}

function u32(buffer: Uint8Array, at: number): number {
  return u16(buffer, at) * 65536 + u16(buffer, at + 2);
}

function setU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24;
  buffer[at + 1] = value >>> 16;
  buffer[at + 2] = value >>> 8;
  buffer[at + 3] = value;
}
