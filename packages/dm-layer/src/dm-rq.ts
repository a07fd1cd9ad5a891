import {
  type Bio,
  type BioSet,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockLayer,
  insertClonedRequest,
  KEYSLOT_PENDING,
  prepClone,
  type QueueLimits,
  unprepClone,
} from "@inlinecrypt/blk-core";
import { MAX_DM_BIOS, newDmBioSet } from "./dm-clones.js";
import type { DmMapper } from "./dm-mapper.js";
import type { DmTable } from "./dm-table.js";
import { type DmRqIo, type DmTarget, EndIoResult, MapResult } from "./dm-target.js";
import { InFlightIo } from "./in-flight-io.js";
import type { KeyTracker } from "./key-tracker.js";

/** When a request is offered again that a target asked to delay. @kernel drivers/md/dm-rq.c: dm_requeue_original_request */
const REQUEUE_DELAY_MS = 100;

/** A request on its way, made once for each request of the queue. @kernel drivers/md/dm-rq.c: dm_rq_target_io */
class DmRqTargetIo implements DmRqIo {
  clone: BlkRequest | null = null;
  status: BlkStatus = BlkStatus.OK;
  data: unknown = null;
  readonly rq: BlkRequest;
  /** Bios of the clone that have ended well, up to the first that has not. */
  goodBios = 0;
  /** How that one has ended: what comes after it counts no more, whatever the driver says in the end. */
  bioError: BlkStatus = BlkStatus.OK;
  readonly onCloneEnd: (clone: BlkRequest, status: BlkStatus) => void;
  readonly onInserted: (clone: BlkRequest, status: BlkStatus) => void;

  constructor(rq: BlkRequest, mapper: DmRqMapper) {
    this.rq = rq;
    this.onCloneEnd = (_clone, status) => mapper.cloneEnded(this, status);
    this.onInserted = (_clone, status) => mapper.inserted(this, status);
  }
}

/**
 * Maps requests: for each a clone of the whole, in a request of the queue below, which brings it to its driver past the
 * elevator. The clone waits for a keyslot of that queue, so nothing here ever does.
 *
 * @kernel drivers/md/dm-rq.c
 */
export class DmRqMapper implements DmMapper {
  readonly queue: BlkMqQueue;
  readonly #keys: KeyTracker;
  readonly #bios: BioSet;
  readonly #inFlight = new InFlightIo();
  #target: DmTarget | null = null;
  #blocked = false;
  #failed = false;

  constructor(layer: BlockLayer, limits: QueueLimits, keys: KeyTracker) {
    this.#keys = keys;
    this.#bios = newDmBioSet("dm_rq_clone", layer);
    const ops = {
      initRequest: (rq: BlkRequest): void => {
        rq.driverData = new DmRqTargetIo(rq, this);
      },
      queueRq: (rq: BlkRequest): BlkStatus => this.#queueRq(rq),
    };
    this.queue = new BlkMqQueue(layer, { ops, limits: limitsForRequests(limits) });
  }

  limitsOf(limits: QueueLimits): QueueLimits {
    return limitsForRequests(limits);
  }

  setTable(table: DmTable | null): void {
    this.#target = table?.entries[0]?.target ?? null;
  }

  /** What targets give back waits in the queue in any case. */
  block(): void {
    this.#blocked = true;
    this.queue.quiesce();
  }

  unblock(): void {
    this.#blocked = false;
    this.queue.unquiesce();
    this.kick();
  }

  /** What was given back is offered again at once. @kernel drivers/md/dm-table.c: dm_table_run_md_queue_async */
  kick(): void {
    this.queue.requeueList.kick();
  }

  whenIdle(): Promise<boolean> {
    return this.#inFlight.whenIdle();
  }

  cancelIdle(): void {
    this.#inFlight.cancel();
  }

  fail(): void {
    this.#failed = true;
    if (this.#blocked) this.unblock();
    this.kick();
  }

  /** @context hot. @kernel drivers/md/dm-rq.c: dm_mq_queue_rq */
  #queueRq(rq: BlkRequest): BlkStatus {
    const target = this.#target;
    if (target === null || this.#failed) return BlkStatus.IOERR;
    if (rq.cryptCtx !== null) this.#keys.note(rq.cryptCtx.key!);
    const io = rq.driverData as DmRqTargetIo;
    io.goodBios = 0;
    io.bioError = BlkStatus.OK;
    io.status = BlkStatus.OK;
    this.#inFlight.start();
    switch (target.cloneAndMapRq!(rq, io)) {
      case MapResult.REMAPPED:
        return this.#insertClone(io);
      case MapResult.REQUEUE:
        this.#inFlight.done();
        return BlkStatus.RESOURCE;
      case MapResult.DELAY_REQUEUE:
        this.#requeue(io, REQUEUE_DELAY_MS);
        return BlkStatus.OK;
      default:
        this.#inFlight.done();
        return BlkStatus.IOERR;
    }
  }

  /** @returns what `queueRq` returns. @kernel drivers/md/dm-rq.c: map_request */
  #insertClone(io: DmRqTargetIo): BlkStatus {
    const clone = io.clone!;
    if (prepClone(clone, io.rq, this.#bios, setUpBio, io) !== BlkStatus.OK) {
      this.#releaseClone(io);
      this.#inFlight.done();
      return BlkStatus.RESOURCE;
    }
    clone.onEnd = io.onCloneEnd;
    const result = insertClonedRequest(clone, io.onInserted);
    if (result === BlkStatus.OK || result === KEYSLOT_PENDING) return BlkStatus.OK;
    unprepClone(clone);
    if (!isShortage(result)) {
      this.cloneEnded(io, result);
      return BlkStatus.OK;
    }
    this.#releaseClone(io);
    this.#inFlight.done();
    return BlkStatus.RESOURCE;
  }

  /** A clone that waited for a keyslot has been issued, or not. */
  inserted(io: DmRqTargetIo, status: BlkStatus): void {
    if (status === BlkStatus.OK) return;
    unprepClone(io.clone!);
    if (!isShortage(status)) return this.cloneEnded(io, status);
    this.#releaseClone(io);
    this.#requeue(io, 0);
  }

  /** Or could not be issued: that is an end like any other. @context interrupt. @kernel drivers/md/dm-rq.c: dm_done */
  cloneEnded(io: DmRqTargetIo, status: BlkStatus): void {
    const ended = status === BlkStatus.OK ? io.bioError : status;
    io.status = ended;
    const result = this.#target!.rqEndIo?.(io.clone!, io) ?? EndIoResult.DONE;
    this.#releaseClone(io);
    if (ended !== BlkStatus.OK) endGoodBios(io);
    switch (result) {
      case EndIoResult.REQUEUE:
        return this.#requeue(io, 0);
      case EndIoResult.DELAY_REQUEUE:
        return this.#requeue(io, REQUEUE_DELAY_MS);
      default:
        return this.#end(io, io.status);
    }
  }

  #end(io: DmRqTargetIo, status: BlkStatus): void {
    io.rq.complete(status);
    this.#inFlight.done();
  }

  /** @kernel drivers/md/dm-rq.c: dm_requeue_original_request */
  #requeue(io: DmRqTargetIo, delayMs: number): void {
    this.queue.requeue(io.rq, false);
    if (delayMs === 0 || this.#failed) this.kick();
    else this.queue.requeueList.kickAfter(delayMs);
    this.#inFlight.done();
  }

  #releaseClone(io: DmRqTargetIo): void {
    const clone = io.clone!;
    this.#target!.releaseCloneRq?.(clone, io);
    io.clone = null;
  }
}

/** A request never has more bios than there are to clone them. */
function limitsForRequests(limits: QueueLimits): QueueLimits {
  return { ...limits, maxSegments: Math.min(limits.maxSegments, MAX_DM_BIOS) };
}

function isShortage(status: number): boolean {
  return status === BlkStatus.RESOURCE || status === BlkStatus.DEV_RESOURCE;
}

function setUpBio(bio: Bio, _source: Bio, io: DmRqTargetIo): boolean {
  bio.bdev = io.clone!.queue.disk?.part0 ?? null;
  bio.privateData = io;
  bio.onEndIo = onCloneBioEnd;
  return true;
}

/** @kernel drivers/md/dm-rq.c: end_clone_bio */
function onCloneBioEnd(bio: Bio): void {
  const io = bio.privateData as DmRqTargetIo;
  if (io.bioError === BlkStatus.OK) {
    if (bio.status === BlkStatus.OK) io.goodBios++;
    else io.bioError = bio.status;
  }
  bio.put();
}

/** A clone that failed may have ended some of its bios well before: only the rest is to do. @kernel drivers/md/dm-rq.c: end_clone_bio */
function endGoodBios(io: DmRqTargetIo): void {
  let bytes = 0;
  let bio = io.rq.bio;
  for (let left = io.goodBios; left > 0; left--) {
    bytes += bio!.bytes;
    bio = bio!.next;
  }
  if (bytes > 0) io.rq.update(BlkStatus.OK, bytes);
}
