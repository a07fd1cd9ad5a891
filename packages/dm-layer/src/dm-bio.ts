import {
  accountEnd,
  accountStart,
  type Bio,
  BioList,
  BioQueue,
  type BioRedirect,
  type BioRedirector,
  BlkBug,
  BlkStatus,
  type BlockLayer,
  opIsPlain,
  opOf,
  type QueueLimits,
  ReqFlag,
  ReqOp,
  SECTOR_BYTES,
  WorkItem,
} from "@inlinecrypt/blk-core";
import { DmClones, MAX_DM_BIOS, newDmBioSet } from "./dm-clones.js";
import type { DmIo, DmIoOwner, DmTargetIo } from "./dm-io.js";
import { DmRewinder } from "./dm-io-rewind.js";
import type { DmMapper } from "./dm-mapper.js";
import type { DmTable } from "./dm-table.js";
import type { DmTableEntry } from "./dm-table-entry.js";
import { EndIoResult, MapResult } from "./dm-target.js";
import { InFlightIo } from "./in-flight-io.js";
import type { KeyTracker } from "./key-tracker.js";

const { AGAIN, DM_REQUEUE, IOERR, NOTSUPP, OK } = BlkStatus;
const { WRITE } = ReqOp;
const { NOWAIT, PREFLUSH } = ReqFlag;

/**
 * Maps bios: each is cut where targets end, and a clone of each part goes to its target. All clones come from pools of
 * this device: devices stacked on each other never wait for the same pool.
 *
 * @kernel drivers/md/dm.c
 */
export class DmBioMapper implements DmMapper, DmIoOwner, BioRedirector {
  readonly queue: BioQueue;
  readonly #layer: BlockLayer;
  readonly #keys: KeyTracker;
  #clones: DmClones;
  readonly #inFlight = new InFlightIo();
  /** Bios that wait for the device to resume, or for a clone. @kernel mapped_device.deferred */
  readonly #deferred = new BioList();
  readonly #deferredWork = new WorkItem(() => this.#serveDeferred());
  readonly #rewinder: DmRewinder;
  #table: DmTable | null = null;
  #blocked = false;
  #noflush = false;

  constructor(layer: BlockLayer, limits: QueueLimits, keys: KeyTracker) {
    this.#layer = layer;
    this.#keys = keys;
    this.#clones = new DmClones(layer, MAX_DM_BIOS);
    this.#rewinder = new DmRewinder(layer, newDmBioSet("dm_rewind", layer), (io, rewound) =>
      this.#requeued(io, rewound),
    );
    this.queue = new BioQueue(layer, this, limits);
  }

  get inFlight(): number {
    return this.#inFlight.count;
  }

  setTable(table: DmTable | null): void {
    this.#table = table;
    const clones = table === null ? 0 : maxClones(table);
    if (clones > this.#clones.capacity) this.#clones = new DmClones(this.#layer, clones);
  }

  block(noflush: boolean): void {
    this.#blocked = true;
    this.#noflush = noflush;
  }

  unblock(): void {
    this.#blocked = false;
    this.#noflush = false;
    this.#layer.executor.queueWork(this.#deferredWork);
  }

  whenIdle(): Promise<boolean> {
    return this.#inFlight.whenIdle();
  }

  cancelIdle(): void {
    this.#inFlight.cancel();
  }

  /** Bios come back for a suspend only, and go on at its end. */
  kick(): void {}

  limitsOf(limits: QueueLimits): QueueLimits {
    return limits;
  }

  fail(): void {
    this.#table = null;
    for (let bio = this.#deferred.shift(); bio !== null; bio = this.#deferred.shift()) bio.endIoWith(IOERR);
  }

  /**
   * For the queue: a plain read or write that lies in one piece on another device needs no clone, unless parts of it are
   * under way elsewhere, or have failed: then nobody could tell how this one ends. (A device without a write cache takes FUA
   * off a bio, which is its submitter's.)
   *
   * @context hot
   */
  remapBio(bio: Bio): boolean {
    const table = this.#table;
    if (table === null || this.#blocked || this.#deferred.first !== null || !opIsPlain(bio.opf)) return false;
    const entry = table.find(bio.sector);
    if (entry === null || entry.target.remap === undefined || bio.sectors > entry.maxSectorsAt(bio.sector))
      return false;
    if (bio.isHeld || bio.status !== OK) return false;
    if (bio.cryptCtx !== null) this.#keys.note(bio.cryptCtx.key!);
    const { bdev, sector } = bio;
    const redirect = bio.redirect(this);
    this.#inFlight.start();
    accountStart(redirect, bdev!, bio.opf);
    entry.target.remap(bio);
    this.#layer.tracepoints.blockBioRemap.emit?.(bio, bdev!, sector);
    return true;
  }

  /** @context interrupt */
  redirectEnded(redirect: BioRedirect, bio: Bio): void {
    if (bio.status !== OK) this.#table?.find(redirect.sector)?.target.remapFailed?.(bio);
    accountEnd(redirect, redirect.sectors);
    this.#ioDone();
  }

  /** For the queue. @context hot. @kernel drivers/md/dm.c: dm_submit_bio */
  submitBio(bio: Bio): void {
    const table = this.#table;
    if (table === null) return bio.endIoWith(IOERR);
    if (!this.#blocked && this.#deferred.first === null && this.#mapBio(bio, table)) return;
    if ((bio.opf & NOWAIT) !== 0) return bio.endIoWith(AGAIN);
    this.#deferred.append(bio);
    if (!this.#blocked) this.#serveLater();
  }

  /** For a target that kept a bio in `map`. */
  submitClone(io: DmTargetIo): void {
    const bio = io.bio!;
    const { orig, sectorsToEnd } = io.io;
    this.#layer.tracepoints.blockBioRemap.emit?.(bio, orig!.bdev!, orig!.endSector - sectorsToEnd);
    this.#layer.submitBioNoacct(bio);
  }

  /** @context interrupt. @kernel drivers/md/dm.c: clone_endio */
  cloneEnded(io: DmTargetIo): void {
    const { target } = io.entry;
    if (target.endIo === undefined) return this.finish(io, io.status);
    switch (target.endIo(io.bio!, io)) {
      case EndIoResult.DONE:
        return this.finish(io, io.status);
      case EndIoResult.INCOMPLETE:
        return;
      default:
        return this.finish(io, DM_REQUEUE);
    }
  }

  /** @context interrupt. @kernel drivers/md/dm.c: free_tio, dm_io_dec_pending */
  finish(io: DmTargetIo, status: BlkStatus): void {
    const dmIo = io.io;
    this.#freeClone(io);
    if (status !== OK) dmIo.noteStatus(status);
    this.#decPending(dmIo);
  }

  #serveDeferred(): void {
    while (!this.#blocked && this.#table !== null) {
      const bio = this.#deferred.shift();
      if (bio === null) return;
      if (this.#mapBio(bio, this.#table)) continue;
      this.#deferred.prepend(bio);
      return this.#serveLater();
    }
  }

  /** When I/O has ended that holds what is missing. An allocation may fail although there is none. */
  #serveLater(): void {
    if (this.#inFlight.count === 0) this.#layer.executor.queueWork(this.#deferredWork);
  }

  #ioDone(): void {
    this.#inFlight.done();
    if (this.#deferred.first !== null && !this.#blocked) this.#layer.executor.queueWork(this.#deferredWork);
  }

  /** False when clones have run out: nothing has happened. @kernel drivers/md/dm.c: dm_split_and_process_bio */
  #mapBio(bio: Bio, table: DmTable): boolean {
    if ((bio.opf & PREFLUSH) !== 0) return this.#mapFlush(bio, table);
    const entry = table.find(bio.sector);
    if (entry === null) {
      bio.endIoWith(IOERR);
      return true;
    }
    if (opOf(bio.opf) > WRITE) return this.#mapWithoutData(bio, entry);
    if (bio.cryptCtx !== null) this.#keys.note(bio.cryptCtx.key!);
    const maxSectors = entry.maxSectorsAt(bio.sector);
    const io = this.#clones.tryGet(entry, bio);
    if (io === null) return false;
    const dmIo = this.#startIo(io, bio, Math.min(bio.sectors, maxSectors));
    this.#mapClone(io, dmIo, 0);
    this.#endOfPart(dmIo, bio);
    return true;
  }

  /** @kernel drivers/md/dm.c: __process_abnormal_io */
  #mapWithoutData(bio: Bio, entry: DmTableEntry): boolean {
    const count = entry.bioCount(bio.opf);
    if (count === 0) {
      bio.endIoWith(NOTSUPP);
      return true;
    }
    const ios = this.#clones.tryGetMany(entry, bio, count, null);
    if (ios === null) return false;
    const dmIo = this.#startIo(ios, bio, Math.min(bio.sectors, entry.end - bio.sector));
    this.#mapClones(ios, dmIo);
    this.#endOfPart(dmIo, bio);
    return true;
  }

  /**
   * An empty flush for every target; data that came with it follows when they have ended. It has no context of its own.
   *
   * @kernel drivers/md/dm.c: __send_empty_flush
   */
  #mapFlush(bio: Bio, table: DmTable): boolean {
    const { entries } = table;
    let ios: DmTargetIo | null = null;
    for (let index = entries.length - 1; index >= 0; index--) {
      const entry = entries[index]!;
      const { numFlushBios = 0 } = entry.target;
      if (numFlushBios === 0) continue;
      ios = this.#clones.tryGetMany(entry, null, numFlushBios, ios);
      if (ios === null) return false;
    }
    if (ios === null) {
      this.#flushed(bio, OK);
      return true;
    }
    const dmIo = this.#startIo(ios, bio, 0);
    this.#mapClones(ios, dmIo);
    this.#decPending(dmIo);
    return true;
  }

  #startIo(first: DmTargetIo, bio: Bio, sectors: number): DmIo {
    const dmIo = first.ownIo;
    dmIo.start(bio, sectors);
    this.#inFlight.start();
    accountStart(dmIo, bio.bdev!, bio.opf);
    return dmIo;
  }

  /** What is left of a bio goes on as the same bio, after what has been submitted for this part. */
  #endOfPart(dmIo: DmIo, bio: Bio): void {
    const bytes = dmIo.sectors * SECTOR_BYTES;
    if (bytes < bio.bytes) {
      bio.holdEnd();
      bio.advance(bytes);
      this.#layer.tracepoints.blockSplit.emit?.(bio, bio.sector);
      this.#layer.submitBioNoacctNocheck(bio);
    }
    this.#decPending(dmIo);
  }

  #mapClones(first: DmTargetIo, dmIo: DmIo): void {
    let number = 0;
    let entry: DmTableEntry | null = null;
    for (let io: DmTargetIo | null = first; io !== null; ) {
      const next: DmTargetIo | null = io.next;
      io.next = null;
      number = io.entry === entry ? number + 1 : 0;
      entry = io.entry;
      this.#mapClone(io, dmIo, number);
      io = next;
    }
  }

  /** @kernel drivers/md/dm.c: __map_bio */
  #mapClone(io: DmTargetIo, dmIo: DmIo, targetBioNr: number): void {
    const bio = io.bio!;
    if (dmIo.sectors > 0) bio.bytes = dmIo.sectors * SECTOR_BYTES;
    io.start(this, bio, dmIo, targetBioNr);
    const fromSector = bio.sector;
    switch (io.entry.target.map!(bio, io)) {
      case MapResult.REMAPPED:
        this.#layer.tracepoints.blockBioRemap.emit?.(bio, dmIo.orig!.bdev!, fromSector);
        return this.#layer.submitBioNoacct(bio);
      case MapResult.SUBMITTED:
        return;
      case MapResult.KILL:
        return this.finish(io, IOERR);
      default:
        return this.finish(io, DM_REQUEUE);
    }
  }

  #decPending(dmIo: DmIo): void {
    dmIo.pending--;
    if (dmIo.pending === 0) this.#complete(dmIo);
  }

  /** @kernel drivers/md/dm.c: __dm_io_complete */
  #complete(dmIo: DmIo): void {
    const orig = dmIo.orig!;
    accountEnd(dmIo, dmIo.sectors);
    let status = dmIo.status;
    if (status === DM_REQUEUE) {
      if (this.#noflush) return this.#rewinder.requeue(dmIo);
      status = IOERR;
    }
    this.#freeIo(dmIo);
    if ((orig.opf & PREFLUSH) !== 0) this.#flushed(orig, status);
    else orig.endIoWith(status);
    this.#ioDone();
  }

  /** The flush in front of a bio has ended. @kernel drivers/md/dm.c: __dm_io_complete, which ignores that it failed */
  #flushed(bio: Bio, status: BlkStatus): void {
    if (status !== OK || bio.bytes === 0) return bio.endIoWith(status);
    bio.opf &= ~PREFLUSH;
    this.#layer.submitBioNoacctNocheck(bio);
  }

  /** A part is as it was before it was mapped, and goes before all that waits. */
  #requeued(dmIo: DmIo, rewound: Bio): void {
    this.#freeIo(dmIo);
    if (this.#table === null) rewound.endIoWith(IOERR);
    else this.#deferred.prepend(rewound);
    this.#ioDone();
  }

  /** The first clone's place is also that of the whole, and stays until all have ended. */
  #freeClone(io: DmTargetIo): void {
    const bio = io.bio;
    if (bio === null) throw new BlkBug(`a ${io.entry.type.name} target has ended a bio twice`);
    io.bio = null;
    bio.put();
    if (io.io.first !== io) io.entry.ios.put(io);
  }

  #freeIo(dmIo: DmIo): void {
    dmIo.orig = null;
    dmIo.first.entry.ios.put(dmIo.first);
  }
}

/** Of one bio: a flush goes to all targets. */
function maxClones({ entries }: DmTable): number {
  const flushes = entries.reduce((sum, { target }) => sum + (target.numFlushBios ?? 0), 0);
  return entries.reduce((most, entry) => Math.max(most, entry.maxClones), flushes);
}
