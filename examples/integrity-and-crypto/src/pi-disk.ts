import {
  BioSegments,
  BlkMqQueue,
  type BlkRequest,
  BlkStatus,
  type BlockLayer,
  GenDisk,
  opOf,
  type QueueLimitsInput,
  ReqOp,
} from "@inlinecrypt/blk-core";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { crcT10Dif } from "./crc-t10-dif.js";

/** Bytes that one tuple protects. */
export const INTERVAL_BYTES = 512;
const TUPLE_BYTES = 8;

/**
 * A disk that stores what a controller with T10 protection information stores: blocks, and a tuple for each, which it
 * checks itself before it keeps a block. When requests come with a keyslot, it encrypts with the cipher in that slot.
 */
export class PiDisk {
  readonly queue: BlkMqQueue;
  readonly disk: GenDisk;
  readonly medium: Uint8Array;
  readonly tuples: Uint8Array;
  readonly #slots: readonly Skcipher[];
  readonly #segments = new BioSegments();

  constructor(layer: BlockLayer, name: string, bytes: number, limits: QueueLimitsInput, slots: readonly Skcipher[]) {
    this.medium = new Uint8Array(bytes);
    this.tuples = new Uint8Array((bytes / INTERVAL_BYTES) * TUPLE_BYTES);
    this.#slots = slots;
    this.queue = new BlkMqQueue(layer, { ops: { queueRq: (rq) => this.#queueRq(rq) }, limits });
    this.disk = new GenDisk({ name, queue: this.queue, sectorCount: bytes / 512 });
  }

  /** The guard tag stored for the block at `byteOffset`; 0 when none was. */
  guardAt(byteOffset: number): number {
    return new DataView(this.tuples.buffer).getUint16((byteOffset / INTERVAL_BYTES) * TUPLE_BYTES);
  }

  #queueRq(rq: BlkRequest): BlkStatus {
    const isWrite = opOf(rq.opf) === ReqOp.WRITE;
    const stored = this.medium.subarray(rq.sector * 512, rq.endSector * 512);
    const data = isWrite ? this.#gather(rq) : stored.slice();
    this.#crypt(rq, data, isWrite);
    if (isWrite) rq.complete(this.#store(rq, data, stored));
    else rq.complete(this.#scatter(rq, data));
    return BlkStatus.OK;
  }

  #crypt(rq: BlkRequest, data: Uint8Array, isWrite: boolean): void {
    if (rq.cryptKeyslot === null) return;
    const cipher = this.#slots[rq.cryptKeyslot.slotIndex]!;
    const { key, dun } = rq.cryptCtx!;
    if (isWrite) cipher.encrypt(data, data, key!.dataUnitBytes, dun);
    else cipher.decrypt(data, data, key!.dataUnitBytes, dun);
  }

  #store(rq: BlkRequest, data: Uint8Array, stored: Uint8Array): BlkStatus {
    const tuples = this.#copyTuples(rq, true);
    for (let at = 0; at < tuples.length; at += TUPLE_BYTES) {
      const block = data.subarray((at / TUPLE_BYTES) * INTERVAL_BYTES).subarray(0, INTERVAL_BYTES);
      const guard = tuples[at]! * 256 + tuples[at + 1]!;
      if (guard !== crcT10Dif(block)) return BlkStatus.PROTECTION;
    }
    stored.set(data);
    return BlkStatus.OK;
  }

  #scatter(rq: BlkRequest, data: Uint8Array): BlkStatus {
    let at = 0;
    for (this.#segments.start(rq.bio); this.#segments.next(); at += this.#segments.bytes) {
      const { data: memory, offset, bytes } = this.#segments;
      memory.set(data.subarray(at, at + bytes), offset);
    }
    this.#copyTuples(rq, false);
    return BlkStatus.OK;
  }

  #gather(rq: BlkRequest): Uint8Array {
    const data = new Uint8Array(rq.bytes);
    let at = 0;
    for (this.#segments.start(rq.bio); this.#segments.next(); at += this.#segments.bytes) {
      const { data: memory, offset, bytes } = this.#segments;
      data.set(memory.subarray(offset, offset + bytes), at);
    }
    return data;
  }

  /** Moves the tuples of the request's bios to or from the disk's, and returns those that came. */
  #copyTuples(rq: BlkRequest, isWrite: boolean): Uint8Array {
    const start = ((rq.sector * 512) / INTERVAL_BYTES) * TUPLE_BYTES;
    let at = start;
    for (let bio = rq.bio; bio !== null; bio = bio.next) {
      if (bio.integrity === null) continue;
      const { buffer, offset, bytes } = bio.integrity;
      if (isWrite) this.tuples.set(buffer.subarray(offset, offset + bytes), at);
      else buffer.set(this.tuples.subarray(at, at + bytes), offset);
      at += bytes;
    }
    return this.tuples.subarray(start, at);
  }
}
