import { type Bio, BioSegments, BioVec, BlkStatus, BvecIter, opIsWrite, opOf, ReqOp } from "@inlinecrypt/blk-core";
import type { DmArgs } from "../dm-args.js";
import type { DmTargetIo } from "../dm-io.js";
import {
  type DmDeviceVisitor,
  DmFeature,
  type DmTarget,
  type DmTargetType,
  EndIoResult,
  MapResult,
} from "../dm-target.js";
import type { DmDev, DmTargetSpec } from "../dm-target-spec.js";
import { type FlakeyFeatures, formatFlakeyFeatures, PROBABILITY_BASE, parseFlakeyFeatures } from "./flakey-features.js";

/**
 * A device that is bad from time to time:
 * `flakey <device> <start sector> <up seconds> <down seconds> [<#features> <feature>...]`. Without features all I/O fails
 * while it is down.
 *
 * @kernel drivers/md/dm-flakey.c
 */
export const flakeyTarget: DmTargetType = {
  name: "flakey",
  version: [1, 5, 0],
  features: DmFeature.PASSES_CRYPTO,
  ctr: (args, spec) => new FlakeyTarget(args, spec),
};

/** Of one interval, and of both. @kernel drivers/md/dm-flakey.c: flakey_ctr */
const MAX_SECONDS = 2 ** 32 - 1;

/** @kernel drivers/md/dm-flakey.c: per_bio_data */
class FlakeyIo {
  /** It came while the device was down. */
  wasDown = false;
  /** Where a read's data lies, which the bio itself forgets. */
  readonly position = new BvecIter();
}

class FlakeyTarget implements DmTarget {
  readonly numFlushBios = 1;
  readonly numDiscardBios = 1;
  readonly #spec: DmTargetSpec;
  readonly #dev: DmDev;
  readonly #start: number;
  readonly #upSeconds: number;
  readonly #downSeconds: number;
  readonly #features: FlakeyFeatures;
  readonly #startMs: number;
  readonly #segments = new BioSegments();

  constructor(args: DmArgs, spec: DmTargetSpec) {
    this.#spec = spec;
    const name = args.word("the device");
    this.#start = args.number("the start sector");
    this.#upSeconds = args.number("the up interval in seconds", 0, MAX_SECONDS);
    this.#downSeconds = args.number("the down interval in seconds", 0, MAX_SECONDS);
    const seconds = this.#upSeconds + this.#downSeconds;
    if (seconds === 0) args.refuse("both intervals are 0, expected one that is not");
    if (seconds > MAX_SECONDS) args.refuse(`both intervals have ${seconds} seconds, expected at most ${MAX_SECONDS}`);
    this.#features = parseFlakeyFeatures(args);
    this.#dev = spec.getDevice(name);
    this.#startMs = spec.layer.executor.nowMs();
  }

  newIoData(): FlakeyIo {
    return new FlakeyIo();
  }

  /** @kernel drivers/md/dm-flakey.c: flakey_map */
  map(bio: Bio, io: DmTargetIo): MapResult {
    const flakeyIo = io.data as FlakeyIo;
    flakeyIo.wasDown = this.#isDown();
    if (flakeyIo.wasDown) {
      const isWrite = opIsWrite(bio.opf);
      if (isWrite ? this.#features.errorWrites : this.#features.errorReads) return MapResult.KILL;
      if (isWrite && this.#features.dropWrites) {
        io.end(BlkStatus.OK);
        return MapResult.SUBMITTED;
      }
      if (isWrite) this.#corruptWrite(bio);
    }
    flakeyIo.position.save(bio);
    bio.setDev(this.#dev.bdev);
    if (bio.bytes > 0) bio.sector += this.#start - this.#spec.begin;
    return MapResult.REMAPPED;
  }

  /** @kernel drivers/md/dm-flakey.c: flakey_end_io */
  endIo(bio: Bio, io: DmTargetIo): EndIoResult {
    const { wasDown, position } = io.data as FlakeyIo;
    if (wasDown && io.status === BlkStatus.OK && opOf(bio.opf) === ReqOp.READ) {
      const { corrupt, randomReadCorrupt } = this.#features;
      bio.bytes = position.bytes;
      bio.vecIndex = position.vecIndex;
      bio.vecDone = position.vecDone;
      if (corrupt?.direction === "r" && hasFlags(bio, corrupt.flags))
        this.#setByte(bio, corrupt.byte - 1, corrupt.value);
      if (this.#happens(randomReadCorrupt)) this.#setRandomByte(bio);
    }
    return EndIoResult.DONE;
  }

  iterateDevices(visit: DmDeviceVisitor): void {
    visit(this.#dev.bdev, this.#start, this.#spec.sectors);
  }

  table(): string {
    const features = formatFlakeyFeatures(this.#features);
    return `${this.#dev.name} ${this.#start} ${this.#upSeconds} ${this.#downSeconds} ${features}`;
  }

  #isDown(): boolean {
    const seconds = Math.floor((this.#spec.layer.executor.nowMs() - this.#startMs) / 1000);
    return seconds % (this.#upSeconds + this.#downSeconds) >= this.#upSeconds;
  }

  /** A copy is made bad: the submitter's memory is only read. */
  #corruptWrite(bio: Bio): void {
    if (!bio.hasData) return;
    const { corrupt, randomWriteCorrupt } = this.#features;
    const setsByte = corrupt?.direction === "w" && hasFlags(bio, corrupt.flags);
    const isRandom = this.#happens(randomWriteCorrupt);
    if (!setsByte && !isRandom) return;
    this.#copyData(bio);
    if (setsByte) this.#setByte(bio, corrupt.byte - 1, corrupt.value);
    if (isRandom) this.#setRandomByte(bio);
  }

  /** Gives a clone memory of its own. It is rare, and a device for tests: it is not kept. */
  #copyData(bio: Bio): void {
    const copy = new BioVec();
    copy.set(new Uint8Array(bio.bytes), 0, bio.bytes);
    const segments = this.#segments;
    let at = 0;
    for (segments.start(bio); segments.next(); at += segments.bytes) {
      copy.data.set(segments.data.subarray(segments.offset, segments.offset + segments.bytes), at);
    }
    bio.vecs = [copy];
    bio.vecCount = 1;
    bio.vecIndex = 0;
    bio.vecDone = 0;
  }

  #setRandomByte(bio: Bio): void {
    this.#setByte(bio, this.#spec.random32() % bio.bytes, this.#spec.random32() & 0xff);
  }

  /** Nothing happens to a bio that is shorter. */
  #setByte(bio: Bio, index: number, value: number): void {
    const segments = this.#segments;
    let left = index;
    for (segments.start(bio); segments.next(); left -= segments.bytes) {
      if (left < segments.bytes) {
        segments.data[segments.offset + left] = value;
        return;
      }
    }
  }

  #happens(probability: number): boolean {
    return probability > 0 && this.#spec.random32() % PROBABILITY_BASE < probability;
  }
}

/** Whether a bio has all of these flags. */
function hasFlags(bio: Bio, flags: number): boolean {
  return (bio.opf & flags) === flags;
}
