import { BlkStatus, PoolWaiter, WorkItem } from "@inlinecrypt/blk-core";
import { NbdError } from "../protocol/constants.js";
import type { RequestHeader } from "../protocol/request.js";
import { type BufferPool, MAX_BUFFER_BYTES } from "./buffer-pool.js";
import { RangeLockEntry } from "./range-lock.js";
import type { ServedExport } from "./served-export.js";

/** A step of a request; always a module-level function, so that going from step to step allocates nothing. */
export type RequestStep = (rq: NbdRequest) => void;

/** Who takes requests back: the transmission phase of a connection. */
export interface RequestOwner {
  readonly exported: ServedExport;
  readonly buffers: BufferPool;
  /** All I/O of the request has ended; its lock is released. Called once. */
  requestEnded(rq: NbdRequest): void;
}

const NO_BYTES = new Uint8Array(0);

function doNothing(): void {}

/**
 * A request in flight, with all it needs on the way through the block layer. Pooled: one connection reuses a bounded
 * number of them.
 */
export class NbdRequest {
  readonly owner: RequestOwner;
  type = 0;
  flags = 0;
  cookieHigh = 0;
  cookieLow = 0;
  /** First byte the client means. */
  offset = 0;
  /** How many bytes it means. */
  bytes = 0;
  /** What the reply will say when the request is refused or has failed. */
  error: NbdError = NbdError.OK;

  /** First byte of the whole blocks that cover the request. */
  coverStart = 0;
  /** Bytes of those blocks. */
  coverBytes = 0;
  /** Bytes of memory this request counts for in its connection's limit. */
  chargedBytes = 0;
  /** Memory for the covering blocks: all but the last buffer are `MAX_BUFFER_BYTES` long. */
  readonly buffers: Uint8Array[] = [];
  bufferCount = 0;
  /** Bytes of the payload that have been received. */
  payloadDone = 0;
  /** One block for read-modify-write, got when needed. */
  scratch: Uint8Array = NO_BYTES;

  /** The I/O under way; see request-io.ts. */
  ioOpf = 0;
  ioSource = 0;
  /** First byte on the device of what is not submitted yet. */
  ioOffset = 0;
  ioBytesLeft = 0;
  ioBytesDone = 0;
  /** Bios that have not ended, and one while bios are being submitted. */
  ioPending = 0;
  ioStatus: BlkStatus = BlkStatus.OK;
  onIoDone: RequestStep = doNothing;
  onIoFailed: RequestStep = doNothing;

  /** The step to take from a work item. */
  deferred: RequestStep = doNothing;
  readonly work: WorkItem = new WorkItem(() => this.deferred(this));
  readonly bioWaiter: PoolWaiter = new PoolWaiter(() => this.queueWork());
  readonly range: RangeLockEntry = new RangeLockEntry(() => this.queueWork());
  /** Passed to the socket with the last piece of a payload that was not copied. */
  readonly onWritten: () => void;

  constructor(owner: RequestOwner, onWritten: (rq: NbdRequest) => void) {
    this.owner = owner;
    this.onWritten = () => onWritten(this);
  }

  /** Starts over with what the client asks. */
  init(header: Readonly<RequestHeader>): void {
    this.type = header.type;
    this.flags = header.flags;
    this.cookieHigh = header.cookieHigh;
    this.cookieLow = header.cookieLow;
    this.offset = header.offset;
    this.bytes = header.bytes;
    this.error = NbdError.OK;
    this.payloadDone = 0;
    this.coverStart = 0;
    this.coverBytes = 0;
    this.chargedBytes = 0;
  }

  /** First byte after the request. */
  get end(): number {
    return this.offset + this.bytes;
  }

  /** Bytes of the first covering block in front of the request. */
  get headBytes(): number {
    return this.offset - this.coverStart;
  }

  /** Bytes of the last covering block behind the request. */
  get tailBytes(): number {
    return this.coverStart + this.coverBytes - this.end;
  }

  /** Widens the request to whole blocks. */
  cover(): void {
    const { blockBytes } = this.owner.exported;
    this.coverStart = this.offset - (this.offset % blockBytes);
    this.coverBytes = this.bytes === 0 ? 0 : Math.ceil((this.end - this.coverStart) / blockBytes) * blockBytes;
  }

  /** Gets memory for the covering blocks. */
  allocBuffers(): void {
    for (let left = this.coverBytes; left > 0; left -= MAX_BUFFER_BYTES) {
      this.buffers[this.bufferCount] = this.owner.buffers.get(Math.min(left, MAX_BUFFER_BYTES));
      this.bufferCount++;
    }
  }

  /** Gets memory for one block, once. */
  allocScratch(): void {
    if (this.scratch === NO_BYTES) this.scratch = this.owner.buffers.get(this.owner.exported.blockBytes);
  }

  /** Gives all memory back. */
  freeBuffers(): void {
    for (let index = 0; index < this.bufferCount; index++) {
      this.owner.buffers.put(this.buffers[index]!);
      this.buffers[index] = NO_BYTES;
    }
    this.bufferCount = 0;
    if (this.scratch === NO_BYTES) return;
    this.owner.buffers.put(this.scratch);
    this.scratch = NO_BYTES;
  }

  /** Copies a piece of the payload to its place in the covering blocks. */
  takePayload(chunk: Uint8Array, start: number, end: number): void {
    let from = start;
    while (from < end) {
      const at = this.headBytes + this.payloadDone;
      const buffer = this.buffers[Math.floor(at / MAX_BUFFER_BYTES)]!;
      const bufferAt = at % MAX_BUFFER_BYTES;
      const bytes = Math.min(end - from, MAX_BUFFER_BYTES - bufferAt);
      buffer.set(from === 0 && bytes === chunk.length ? chunk : chunk.subarray(from, from + bytes), bufferAt);
      this.payloadDone += bytes;
      from += bytes;
    }
  }

  queueWork(): void {
    this.owner.exported.layer.executor.queueWork(this.work);
  }
}
