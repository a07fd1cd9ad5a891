import { type BlkRequest, BlkStatus, errnoToStatus, opOf, ReqFlag, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { LoopCmd } from "./loop-backing.js";
import type { LoopFileBacking } from "./loop-file-backing.js";
import type { TransferDone } from "./loop-io.js";
import type { PunchJob } from "./loop-punch.js";

/** How often one stretch of a transfer is tried again after EINTR or EAGAIN. */
const MAX_INTERRUPTIONS = 16;

/**
 * The driver's side of a request: its way to the file and back. Made once per request with everything it needs, so
 * that I/O allocates nothing but what Node does.
 *
 * @kernel drivers/block/loop.c: loop_cmd
 */
export class LoopFileCmd implements LoopCmd, PunchJob {
  nextJob: PunchJob | null = null;
  readonly #rq: BlkRequest;
  readonly #backing: LoopFileBacking;
  /** Bytes of the request that are transferred. */
  #doneBytes = 0;
  #interruptions = 0;
  /** The memory of a transfer with several runs; empty between transfers, so that it keeps no buffer alive. */
  readonly #runs: Uint8Array[] = [];
  readonly #onTransferred: TransferDone = (error, bytes) => this.#transferred(error, bytes);
  readonly #onSynced = (status: BlkStatus): void => this.#rq.complete(status);

  constructor(rq: BlkRequest, backing: LoopFileBacking) {
    this.#rq = rq;
    this.#backing = backing;
  }

  /** For holes: first byte of the request. */
  get byteOffset(): number {
    return this.#rq.sector * SECTOR_BYTES;
  }

  /** For holes: all bytes of the request. */
  get bytes(): number {
    return this.#rq.bytes;
  }

  /** Starts the request. @kernel drivers/block/loop.c: do_req_filebacked */
  start(): BlkStatus {
    this.#doneBytes = 0;
    this.#interruptions = 0;
    switch (opOf(this.#rq.opf)) {
      case ReqOp.READ:
      case ReqOp.WRITE:
        this.#transferRest();
        return BlkStatus.OK;
      case ReqOp.FLUSH:
        this.#backing.sync(this.#onSynced);
        return BlkStatus.OK;
      case ReqOp.DISCARD:
        this.#backing.punch(this);
        return BlkStatus.OK;
      case ReqOp.WRITE_ZEROES:
        if (this.#zeroesAsHole()) this.#backing.punch(this);
        else this.#writeMoreZeroes();
        return BlkStatus.OK;
      default:
        return BlkStatus.NOTSUPP;
    }
  }

  /** A hole was punched, or not: zeroes can still be written, a discard has failed. */
  punched(error: Error | null): void {
    this.#backing.markDirty();
    if (error === null) this.#rq.complete(BlkStatus.OK);
    else if (opOf(this.#rq.opf) === ReqOp.WRITE_ZEROES) this.#writeMoreZeroes();
    else this.#rq.complete(BlkStatus.IOERR);
  }

  /** A hole costs a process: one write of zeroes is cheaper. */
  #zeroesAsHole(): boolean {
    const rq = this.#rq;
    if (!this.#backing.canPunchHoles || (rq.opf & ReqFlag.NOUNMAP) !== 0) return false;
    return rq.bytes > rq.queue.layer.zeroes.length;
  }

  #writeMoreZeroes(): void {
    const zeroes = this.#rq.queue.layer.zeroes;
    const { io, fd } = this.#backing;
    const bytes = Math.min(zeroes.length, this.#rq.bytes - this.#doneBytes);
    io.write(fd, zeroes, 0, bytes, this.byteOffset + this.#doneBytes, this.#onTransferred);
  }

  /** @kernel drivers/block/loop.c: lo_rw_aio */
  #transferRest(): void {
    const segments = this.#backing.segments;
    const left = this.#rq.bytes - this.#doneBytes;
    let skip = this.#doneBytes;
    segments.start(this.#rq.bio);
    while (segments.next() && skip >= segments.bytes) skip -= segments.bytes;
    const offset = segments.offset + skip;
    const bytes = segments.bytes - skip;
    if (bytes === left) return this.#transferRun(segments.data, offset, bytes);
    this.#addRun(segments.data, offset, bytes);
    while (segments.next()) this.#addRun(segments.data, segments.offset, segments.bytes);
    this.#transferRuns();
  }

  #transferRun(data: Uint8Array, offset: number, bytes: number): void {
    const { io, fd } = this.#backing;
    const position = this.byteOffset + this.#doneBytes;
    if (opOf(this.#rq.opf) === ReqOp.WRITE) io.write(fd, data, offset, bytes, position, this.#onTransferred);
    else io.read(fd, data, offset, bytes, position, this.#onTransferred);
  }

  #addRun(data: Uint8Array, offset: number, bytes: number): void {
    this.#runs.push(bytes === data.length ? data : data.subarray(offset, offset + bytes));
  }

  #transferRuns(): void {
    const { io, fd } = this.#backing;
    const position = this.byteOffset + this.#doneBytes;
    if (opOf(this.#rq.opf) === ReqOp.WRITE) io.writev(fd, this.#runs, position, this.#onTransferred);
    else io.readv(fd, this.#runs, position, this.#onTransferred);
  }

  /** @kernel drivers/block/loop.c: lo_complete_rq */
  #transferred(error: NodeJS.ErrnoException | null, bytes: number): void {
    this.#runs.length = 0;
    const op = opOf(this.#rq.opf);
    if (op !== ReqOp.READ) this.#backing.markDirty();
    if (error !== null) {
      if (!this.#mayTryAgain(error)) return this.#rq.complete(errnoToStatus(error.code ?? "EIO"));
    } else {
      if (bytes === 0) return this.#stuck();
      this.#interruptions = 0;
      this.#doneBytes += bytes;
    }
    if (this.#doneBytes === this.#rq.bytes) this.#rq.complete(BlkStatus.OK);
    else if (op === ReqOp.WRITE_ZEROES) this.#writeMoreZeroes();
    else this.#transferRest();
  }

  #mayTryAgain(error: NodeJS.ErrnoException): boolean {
    if (error.code !== "EINTR" && error.code !== "EAGAIN") return false;
    this.#interruptions++;
    return this.#interruptions <= MAX_INTERRUPTIONS;
  }

  /** The file has ended early, somebody has cut it: that is a failure, and no old memory passes for its data. */
  #stuck(): void {
    if (opOf(this.#rq.opf) === ReqOp.READ) {
      const segments = this.#backing.segments;
      let skip = this.#doneBytes;
      segments.start(this.#rq.bio);
      for (; segments.next(); skip = Math.max(0, skip - segments.bytes)) {
        if (skip >= segments.bytes) continue;
        segments.data.fill(0, segments.offset + skip, segments.offset + segments.bytes);
      }
    }
    this.#rq.complete(BlkStatus.IOERR);
  }
}
