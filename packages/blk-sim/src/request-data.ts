import { BioSegments, BlkBug, type BlkRequest, BlkStatus } from "@inlinecrypt/blk-core";
import type { SimDiskCrypt } from "./sim-disk-options.js";

/** The data of one request at a time, in one piece, as the medium has it. */
export class RequestData {
  readonly #crypt: SimDiskCrypt | null;
  readonly #segments = new BioSegments();
  #memory = new Uint8Array(0);

  constructor(crypt: SimDiskCrypt | null) {
    this.#crypt = crypt;
  }

  /** Memory for all of a request. The next request has the same. */
  of(rq: BlkRequest): Uint8Array {
    if (this.#memory.length < rq.bytes) this.#memory = new Uint8Array(rq.bytes);
    return this.#memory.subarray(0, rq.bytes);
  }

  /** Collects the data of a write, encrypted if it has a context, into `of(rq)`. */
  gather(rq: BlkRequest): BlkStatus {
    const memory = this.of(rq);
    const segments = this.#segments;
    segments.start(rq.bio);
    for (let done = 0; segments.next(); done += segments.bytes) {
      memory.set(segments.data.subarray(segments.offset, segments.offset + segments.bytes), done);
    }
    return this.#transform(rq, memory);
  }

  /** Hands `of(rq)`, decrypted if the request has a context, to a read. */
  scatter(rq: BlkRequest): BlkStatus {
    const memory = this.of(rq);
    const status = this.#transform(rq, memory);
    if (status !== BlkStatus.OK) return status;
    const segments = this.#segments;
    segments.start(rq.bio);
    for (let done = 0; segments.next(); done += segments.bytes) {
      segments.data.set(memory.subarray(done, done + segments.bytes), segments.offset);
    }
    return BlkStatus.OK;
  }

  #transform(rq: BlkRequest, memory: Uint8Array): BlkStatus {
    if (rq.cryptCtx === null) return BlkStatus.OK;
    if (this.#crypt === null) throw new BlkBug("a SimDisk has a crypto profile and no crypt option");
    return this.#crypt(rq, memory, memory);
  }
}
