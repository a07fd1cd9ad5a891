import { type Bio, BlkBug, BlkStatus, type CountedIo, type IoCounts, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { DmTableEntry } from "./dm-table-entry.js";

/** Who hears of the ends of I/O: the mapped device. */
export interface DmIoOwner {
  /** A clone has ended, as `io.status` says. */
  cloneEnded(io: DmTargetIo): void;
  /** A bio that a target held back is to go to its device. */
  submitClone(io: DmTargetIo): void;
  /** A clone is done with, with `status`. */
  finish(io: DmTargetIo, status: BlkStatus): void;
}

/**
 * A bio of a mapped device, or the part of one that a single target serves, until all its clones have ended.
 *
 * @kernel drivers/md/dm-core.h: dm_io
 */
export class DmIo implements CountedIo {
  next: DmIo | null = null;
  /** The bio that came from above; when it is split, it has moved on to what is behind this part. */
  orig: Bio | null = null;
  status: BlkStatus = BlkStatus.OK;
  /** Clones that have not ended, and one for whoever is still making them. */
  pending = 0;
  /** Sectors of this part. */
  sectors = 0;
  /** From its first sector to the end of `orig`, which is where `orig` always ends. */
  sectorsToEnd = 0;
  counts: IoCounts | null = null;
  startMs: number = Number.NaN;
  /** Whom it is a part of. */
  readonly first: DmTargetIo;

  constructor(first: DmTargetIo) {
    this.first = first;
  }

  start(orig: Bio, sectors: number): void {
    this.orig = orig;
    this.status = BlkStatus.OK;
    this.pending = 1;
    this.sectors = sectors;
    this.sectorsToEnd = orig.sectors;
  }

  /** Requeueing outweighs errors; else the first error stays. @kernel drivers/md/dm.c: dm_io_dec_pending */
  noteStatus(status: BlkStatus): void {
    if (this.status === BlkStatus.OK || status === BlkStatus.DM_REQUEUE) this.status = status;
  }
}

/**
 * A clone on its way through a target. Each target has its own, made on first use and kept.
 *
 * @kernel include/linux/device-mapper.h, drivers/md/dm-core.h: dm_target_io
 */
export class DmTargetIo {
  /** For a list of the target's. */
  next: DmTargetIo | null = null;
  /** The target's own part. @kernel include/linux/device-mapper.h: dm_per_bio_data */
  readonly data: unknown;
  readonly entry: DmTableEntry;
  /** The clone, from `map` to its end. */
  bio: Bio | null = null;
  /** Which one of several clones for the same bio. @kernel include/linux/device-mapper.h: dm_bio_get_target_bio_nr */
  targetBioNr = 0;
  /** How the clone has ended, for `endIo`. */
  status: BlkStatus = BlkStatus.OK;
  /** What this clone is one of. */
  io: DmIo;
  /** Used when this clone is the first of its bio. */
  readonly ownIo: DmIo;
  #owner: DmIoOwner | null = null;

  constructor(entry: DmTableEntry, data: unknown) {
    this.entry = entry;
    this.data = data;
    this.ownIo = new DmIo(this);
    this.io = this.ownIo;
  }

  /** Takes a clone in; the caller sets where it maps. */
  start(owner: DmIoOwner, bio: Bio, io: DmIo, targetBioNr: number): void {
    this.#owner = owner;
    this.bio = bio;
    this.io = io;
    this.targetBioNr = targetBioNr;
    this.status = BlkStatus.OK;
    bio.privateData = this;
    bio.onEndIo = onCloneEnd;
    io.pending++;
  }

  /**
   * Inside `map`: the target takes only the first `sectors` of the bio; the rest comes as a bio of its own.
   *
   * @throws BlkBug for a bio of several clones, or without data.
   * @kernel drivers/md/dm.c: dm_accept_partial_bio
   */
  acceptPartial(sectors: number): void {
    const bio = this.bio!;
    if (!bio.hasData || sectors <= 0 || sectors > bio.sectors) {
      throw new BlkBug(`a target accepts ${sectors} of ${bio.sectors} sectors`);
    }
    if (bio.cryptCtx !== null && (sectors * SECTOR_BYTES) % bio.cryptCtx.key!.dataUnitBytes !== 0) {
      throw new BlkBug(`a target accepts ${sectors} sectors, which is no multiple of the data unit`);
    }
    this.io.sectors = sectors;
    bio.bytes = sectors * SECTOR_BYTES;
  }

  /** Sends on a bio that `map` kept (SUBMITTED), to the device it now names. @kernel drivers/md/dm.c: dm_submit_bio_remap */
  submit(): void {
    this.#owner!.submitClone(this);
  }

  /** The clone has ended below, or the target has ended it as a bio. */
  cloneEnded(): void {
    this.status = this.bio!.status;
    this.#owner!.cloneEnded(this);
  }

  /** Ends a bio that `map` kept, or that `endIo` said INCOMPLETE to. The target's own `endIo` is not called. */
  end(status: BlkStatus): void {
    this.#owner!.finish(this, status);
  }
}

/** Set as the clone's end once; the clone knows the rest. */
function onCloneEnd(bio: Bio): void {
  (bio.privateData as DmTargetIo).cloneEnded();
}
