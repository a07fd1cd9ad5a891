import { BioSegments, type BlkRequest, BlkStatus, opOf, ReqOp } from "@inlinecrypt/blk-core";

/** The T10 CRC bit by bit, as the standard words it: the oracle of our tables. */
export function bitwiseCrc(bytes: Iterable<number>): number {
  let crc = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const feedback = ((crc >> 15) & 1) ^ ((byte >> bit) & 1);
      crc = ((crc << 1) & 0xffff) ^ (feedback ? 0x8bb7 : 0);
    }
  }
  return crc;
}

/** RFC 1071, word by word with end-around carry. */
export function rfc1071(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

/**
 * A disk that stores tuples, as hardware does: it takes them from the bios of a request and gives them back, and knows
 * nothing of blk-core's own code for them.
 */
export class IntegrityDisk {
  readonly data: Uint8Array;
  readonly tuples: Uint8Array;
  readonly log: string[] = [];
  /** Bytes done before the device wants the request offered again; 0: all at once. */
  partBytes = 0;
  readonly #intervalBytes: number;
  readonly #segments = new BioSegments();

  constructor(bytes: number, intervalBytes: number) {
    this.#intervalBytes = intervalBytes;
    this.data = new Uint8Array(bytes);
    this.tuples = new Uint8Array((bytes / intervalBytes) * 8);
  }

  queueRq(rq: BlkRequest): BlkStatus {
    const write = opOf(rq.opf) === ReqOp.WRITE;
    this.log.push(`${write ? "WRITE" : "READ"} ${rq.sector}+${rq.sectors}`);
    this.#moveData(rq, write);
    this.#moveTuples(rq, write);
    if (this.partBytes > 0 && this.partBytes < rq.bytes) {
      rq.update(BlkStatus.OK, this.partBytes);
      rq.queue.requeue(rq);
    } else {
      rq.complete(BlkStatus.OK);
    }
    return BlkStatus.OK;
  }

  /** Guard and reference tag stored for an interval. */
  tupleOf(interval: number): { guard: number; app: number; ref: number } {
    const view = new DataView(this.tuples.buffer, interval * 8, 8);
    return { guard: view.getUint16(0), app: view.getUint16(2), ref: view.getUint32(4) };
  }

  intervalData(interval: number): Uint8Array {
    return this.data.subarray(interval * this.#intervalBytes, (interval + 1) * this.#intervalBytes);
  }

  #moveData(rq: BlkRequest, write: boolean): void {
    let at = rq.sector * 512;
    for (this.#segments.start(rq.bio); this.#segments.next(); at += this.#segments.bytes) {
      const { data, offset, bytes } = this.#segments;
      const memory = data.subarray(offset, offset + bytes);
      if (write) this.data.set(memory, at);
      else memory.set(this.data.subarray(at, at + bytes));
    }
  }

  #moveTuples(rq: BlkRequest, write: boolean): void {
    let at = ((rq.sector * 512) / this.#intervalBytes) * 8;
    for (let bio = rq.bio; bio !== null; bio = bio.next) {
      const payload = bio.integrity!;
      const tuples = payload.buffer.subarray(payload.offset, payload.offset + payload.bytes);
      if (write) this.tuples.set(tuples, at);
      else tuples.set(this.tuples.subarray(at, at + tuples.length));
      at += tuples.length;
    }
  }
}
