import type { Bio, BlkRequest, BlkStatus, BlockDevice, QueueLimits } from "@inlinecrypt/blk-core";
import type { CryptoCapabilities } from "@inlinecrypt/blk-crypto-profile";
import type { DmArgs } from "./dm-args.js";
import type { DmTargetIo } from "./dm-io.js";
import type { DmTargetSpec } from "./dm-target-spec.js";

/** What a target type is or needs, or-ed in `DmTargetType.features`. @kernel include/linux/device-mapper.h: DM_TARGET_* */
export const DmFeature = {
  /** It is the only target of its table. */
  SINGLETON: 0x1,
  /** Its table cannot be read-only. */
  ALWAYS_WRITEABLE: 0x2,
  /** Once it is live, only tables with the same type take its place. */
  IMMUTABLE: 0x4,
  /** It may take the place of an immutable one, and sit in bio-based and request-based tables alike. */
  WILDCARD: 0x8,
  /** Protection information goes through it unchanged. */
  PASSES_INTEGRITY: 0x20,
  /** Encryption contexts go through it, so it needs to see no plaintext. */
  PASSES_CRYPTO: 0x100,
} as const;

/** What `map` has done with a bio. @kernel include/linux/device-mapper.h: DM_MAPIO_* */
export const MapResult = {
  /** The target ends the bio, or sends it on, itself: now or later. */
  SUBMITTED: 0,
  /** The bio's device and sector are set; dm sends it there. */
  REMAPPED: 1,
  /** Not now: it goes back to the device, if that is being suspended without flush; else it fails. */
  REQUEUE: 2,
  /** Request-based: offer it again after a while. */
  DELAY_REQUEUE: 3,
  /** It ends with IOERR. */
  KILL: 4,
} as const;
export type MapResult = (typeof MapResult)[keyof typeof MapResult];

/** What becomes of a bio or clone that has ended. @kernel include/linux/device-mapper.h: DM_ENDIO_* */
export const EndIoResult = {
  /** It ends, with `io.status`. */
  DONE: 0,
  /** The target ends it later, by `io.end`. */
  INCOMPLETE: 1,
  /** As `MapResult.REQUEUE`. */
  REQUEUE: 2,
  /** As `MapResult.DELAY_REQUEUE`. */
  DELAY_REQUEUE: 3,
} as const;
export type EndIoResult = (typeof EndIoResult)[keyof typeof EndIoResult];

/** Told of a range of a device that a target maps to. */
export type DmDeviceVisitor = (bdev: BlockDevice, startSector: number, sectors: number) => void;

/**
 * A kind of target: what a table line names.
 *
 * @kernel include/linux/device-mapper.h: target_type
 */
export interface DmTargetType {
  /** As in table lines: `"linear"`. */
  readonly name: string;
  readonly version: readonly [major: number, minor: number, patch: number];
  /** Of `DmFeature`. */
  readonly features: number;
  /**
   * Makes a target of a table line. What it has acquired before it throws, other than devices, it gives back itself.
   *
   * @throws BlkError saying what is wrong with the arguments; never with key bytes in it.
   */
  ctr(args: DmArgs, spec: DmTargetSpec): DmTarget;
}

/**
 * A part of a mapped device: how its sectors map to other devices. It has `map`, or `cloneAndMapRq` when it takes
 * requests. What is absent does nothing.
 *
 * @kernel include/linux/device-mapper.h: dm_target, target_type
 */
export interface DmTarget {
  /** Clones of a flush it wants; `io.targetBioNr` tells them apart. @default 0: nothing to flush */
  readonly numFlushBios?: number;
  /** Clones of a discard it wants. @default 0: no discards */
  readonly numDiscardBios?: number;
  /** Clones of a write zeroes it wants. @default 0: none */
  readonly numWriteZeroesBios?: number;
  /** Discards work whether or not the devices below take them. @default false */
  readonly discardsSupported?: boolean;
  /** Most sectors of one read or write; parts end at multiples of it, from the target's begin. @default no limit */
  readonly maxIoSectors?: number;
  /**
   * Encryption contexts it passes on, where that is less than the devices below can do; the rest goes to the fallback.
   */
  readonly cryptoCapabilities?: CryptoCapabilities;

  /** Makes the target's own part of an I/O, `io.data`, kept and reused. */
  newIoData?(): unknown;
  /** @context hot, may wait: no. `bio.sector` counts from the start of the mapped device. */
  map?(bio: Bio, io: DmTargetIo): MapResult;
  /**
   * Sets device and sector of a read or write, for targets that do nothing else with them: a bio that lies in one piece
   * goes there itself, which takes half the time of a clone, and no `endIo` hears of it. All else goes through `map`.
   *
   * @context hot
   */
  remap?(bio: Bio): void;
  /** A bio from `remap` has failed: its status says how, its device is still that below. @context interrupt, may wait: no */
  remapFailed?(bio: Bio): void;
  /** A bio from `map` has ended; `io.status` says how, and may be changed. @context interrupt, may wait: no */
  endIo?(bio: Bio, io: DmTargetIo): EndIoResult;

  /**
   * Sets `io.clone` to a request from `tryAllocRequest` of a lower queue and says REMAPPED; or REQUEUE, DELAY_REQUEUE, KILL.
   *
   * @context hot, may wait: no
   */
  cloneAndMapRq?(rq: BlkRequest, io: DmRqIo): MapResult;
  /** Takes a clone back that has ended, or was not sent. */
  releaseCloneRq?(clone: BlkRequest, io: DmRqIo): void;
  /** A clone has ended; `io.status` says how, and may be changed. @context interrupt, may wait: no */
  rqEndIo?(clone: BlkRequest, io: DmRqIo): EndIoResult;

  /** Tells of every device it maps to. Without it the target has none. */
  iterateDevices?(visit: DmDeviceVisitor): void;
  /** Adds what the target itself demands to what its devices do. */
  ioHints?(limits: QueueLimits): QueueLimits;
  /** What `dmsetup table` prints behind the type: arguments of `ctr`, keys as zeroes. */
  table(): string;
  /** What `dmsetup status` prints behind the type. @default "" */
  status?(): string;
  /** Answers `dmsetup message`. @throws BlkError EINVAL for what it does not know */
  message?(words: readonly string[]): string;

  /** New I/O stops coming; what the target holds back should go on now, or come back if `noflush`. Removal may say it again. */
  presuspend?(noflush: boolean): void;
  /** The suspend that `presuspend` announced does not take place. */
  presuspendUndo?(): void;
  /** No I/O is left. */
  postsuspend?(): void | Promise<void>;
  /** I/O is about to come. @throws to keep the device suspended */
  preresume?(): void | Promise<void>;
  /** I/O comes. */
  resume?(): void;
  /** Gives back what `ctr` took, devices excepted. */
  dtr?(): void | Promise<void>;
}

/** A request on its way through a request-based target. @kernel drivers/md/dm-rq.c: dm_rq_target_io */
export interface DmRqIo {
  /** The clone below, from `cloneAndMapRq` to `releaseCloneRq`. */
  clone: BlkRequest | null;
  /** How the clone has ended. */
  status: BlkStatus;
  /** The target's own; it stays from request to request, and starts as null. @kernel include/linux/device-mapper.h: map_info */
  data: unknown;
}
