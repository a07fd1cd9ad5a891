import { BlkStatus, ReqFlag, ReqOp } from "@inlinecrypt/blk-core";
import { NbdCmd, NbdCmdFlag } from "../protocol/constants.js";
import { MAX_BUFFER_BYTES } from "./buffer-pool.js";
import type { NbdRequest, RequestStep } from "./nbd-request.js";
import { endRequest, failRequest, IoSource, startIo } from "./request-io.js";

const FLUSH_OPF = ReqOp.WRITE | ReqFlag.PREFLUSH;

/**
 * Starts a request that was checked, covered and, for a write, received whole.
 *
 * Reads and writes of whole blocks take their range shared, read-modify-write takes it exclusively: a cycle must not
 * overwrite what a neighbour wrote after its read, and nobody may read a block (a data unit, once encrypted) of which
 * the device holds the one half old and the other half new.
 *
 * @context hot
 */
export function startRequest(rq: NbdRequest): void {
  if (rq.type === NbdCmd.FLUSH) return startIo(rq, FLUSH_OPF, IoSource.NONE, 0, 0, endRequest);
  if (rq.type === NbdCmd.TRIM) shrinkToBlocks(rq);
  if (rq.coverBytes === 0) return endRequest(rq);
  const writesPartOfBlock = isWriteOfBytes(rq.type) && (rq.headBytes > 0 || rq.tailBytes > 0);
  const { rangeLock, diskOffset } = rq.owner.exported;
  const start = diskOffset + rq.coverStart;
  rq.deferred = runLocked;
  if (rangeLock.acquire(rq.range, start, start + rq.coverBytes, writesPartOfBlock)) runLocked(rq);
}

function isWriteOfBytes(type: number): boolean {
  return type === NbdCmd.WRITE || type === NbdCmd.WRITE_ZEROES;
}

/** TRIM is a hint: blocks of which the client means only a part stay. */
function shrinkToBlocks(rq: NbdRequest): void {
  const { blockBytes } = rq.owner.exported;
  rq.coverStart = Math.ceil(rq.offset / blockBytes) * blockBytes;
  rq.coverBytes = Math.max(0, Math.floor(rq.end / blockBytes) * blockBytes - rq.coverStart);
}

function runLocked(rq: NbdRequest): void {
  switch (rq.type) {
    case NbdCmd.READ:
      return startIo(rq, ReqOp.READ, IoSource.BUFFERS, rq.coverStart, rq.coverBytes, endRequest);
    case NbdCmd.WRITE:
      return writeHead(rq);
    case NbdCmd.TRIM:
      return startIo(rq, ReqOp.DISCARD, IoSource.NONE, rq.coverStart, rq.coverBytes, flushIfFua);
    default:
      return zeroHead(rq);
  }
}

function isFua(rq: NbdRequest): boolean {
  return (rq.flags & NbdCmdFlag.FUA) !== 0;
}

/** Discard and write zeroes know no FUA; a flush behind them is as good. */
function flushIfFua(rq: NbdRequest): void {
  if (isFua(rq)) startIo(rq, FLUSH_OPF, IoSource.NONE, 0, 0, endRequest);
  else endRequest(rq);
}

function readScratch(rq: NbdRequest, blockStart: number, onDone: RequestStep): void {
  rq.allocScratch();
  startIo(rq, ReqOp.READ, IoSource.SCRATCH, blockStart, rq.owner.exported.blockBytes, onDone);
}

function lastBlockStart(rq: NbdRequest): number {
  return rq.coverStart + rq.coverBytes - rq.owner.exported.blockBytes;
}

// WRITE: the neighbours' bytes of the first and last block are read and put around the payload; then all is written.

function writeHead(rq: NbdRequest): void {
  if (rq.headBytes > 0) readScratch(rq, rq.coverStart, writeHeadRead);
  else writeTail(rq);
}

function writeHeadRead(rq: NbdRequest): void {
  rq.buffers[0]!.set(rq.scratch.subarray(0, rq.headBytes));
  if (lastBlockStart(rq) === rq.coverStart) writeTailRead(rq);
  else writeTail(rq);
}

function writeTail(rq: NbdRequest): void {
  if (rq.tailBytes > 0) readScratch(rq, lastBlockStart(rq), writeTailRead);
  else writeCover(rq);
}

function writeTailRead(rq: NbdRequest): void {
  const { blockBytes } = rq.owner.exported;
  const lastBuffer = rq.buffers[rq.bufferCount - 1]!;
  const lastBufferEnd = rq.coverBytes - (rq.bufferCount - 1) * MAX_BUFFER_BYTES;
  lastBuffer.set(rq.scratch.subarray(blockBytes - rq.tailBytes, blockBytes), lastBufferEnd - rq.tailBytes);
  writeCover(rq);
}

function writeCover(rq: NbdRequest): void {
  const opf = isFua(rq) ? ReqOp.WRITE | ReqFlag.FUA : ReqOp.WRITE;
  startIo(rq, opf, IoSource.BUFFERS, rq.coverStart, rq.coverBytes, endRequest);
}

// WRITE_ZEROES: a partial first block, the whole blocks, a partial last block, each only if there is one.

function zeroHead(rq: NbdRequest): void {
  if (rq.headBytes > 0) readScratch(rq, rq.coverStart, zeroHeadRead);
  else zeroBlocks(rq);
}

function zeroHeadRead(rq: NbdRequest): void {
  const { blockBytes } = rq.owner.exported;
  rq.scratch.fill(0, rq.headBytes, Math.min(blockBytes, rq.end - rq.coverStart));
  startIo(rq, ReqOp.WRITE, IoSource.SCRATCH, rq.coverStart, blockBytes, zeroBlocks);
}

function wholeStart(rq: NbdRequest): number {
  return rq.headBytes > 0 ? rq.coverStart + rq.owner.exported.blockBytes : rq.coverStart;
}

function wholeEnd(rq: NbdRequest): number {
  return rq.tailBytes > 0 ? lastBlockStart(rq) : rq.coverStart + rq.coverBytes;
}

function zeroBlocks(rq: NbdRequest): void {
  const bytes = wholeEnd(rq) - wholeStart(rq);
  if (bytes <= 0) return zeroTail(rq);
  if (rq.owner.exported.zeroesAreData) return zeroBlocksWithData(rq);
  const opf = ReqOp.WRITE_ZEROES | ((rq.flags & NbdCmdFlag.NO_HOLE) !== 0 ? ReqFlag.NOUNMAP : 0);
  startIo(rq, opf, IoSource.NONE, wholeStart(rq), bytes, zeroTail, zeroBlocksFailed);
}

/** A device may find out late that it cannot. @kernel block/blk-lib.c: blkdev_issue_zeroout */
function zeroBlocksFailed(rq: NbdRequest): void {
  if (rq.ioStatus === BlkStatus.NOTSUPP) zeroBlocksWithData(rq);
  else failRequest(rq);
}

function zeroBlocksWithData(rq: NbdRequest): void {
  startIo(rq, ReqOp.WRITE, IoSource.ZEROES, wholeStart(rq), wholeEnd(rq) - wholeStart(rq), zeroTail);
}

function zeroTail(rq: NbdRequest): void {
  const headIsTail = rq.headBytes > 0 && lastBlockStart(rq) === rq.coverStart;
  if (rq.tailBytes > 0 && !headIsTail) readScratch(rq, lastBlockStart(rq), zeroTailRead);
  else flushIfFua(rq);
}

function zeroTailRead(rq: NbdRequest): void {
  const { blockBytes } = rq.owner.exported;
  rq.scratch.fill(0, 0, blockBytes - rq.tailBytes);
  startIo(rq, ReqOp.WRITE, IoSource.SCRATCH, lastBlockStart(rq), blockBytes, flushIfFua);
}
