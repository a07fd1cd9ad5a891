import fs from "node:fs";
import { punchHole } from "./loop-punch.js";

/** How a transfer went: an error with a `code`, or the bytes done, which may be fewer than asked for. */
export type TransferDone = (error: NodeJS.ErrnoException | null, bytes: number) => void;

/** How an operation without data went. */
export type OperationDone = (error: Error | null) => void;

/**
 * What a loop device does to its file, in the shape of `node:fs` with callbacks. Each call answers once. Tests put
 * failures here.
 */
export interface LoopIo {
  read(fd: number, into: Uint8Array, offset: number, bytes: number, position: number, done: TransferDone): void;
  readv(fd: number, into: readonly Uint8Array[], position: number, done: TransferDone): void;
  write(fd: number, from: Uint8Array, offset: number, bytes: number, position: number, done: TransferDone): void;
  writev(fd: number, from: readonly Uint8Array[], position: number, done: TransferDone): void;
  fdatasync(fd: number, done: OperationDone): void;
  punchHole(fd: number, byteOffset: number, bytes: number, done: OperationDone): void;
}

/** The real thing. */
export const nodeLoopIo: LoopIo = {
  read: (fd, into, offset, bytes, position, done) => fs.read(fd, into, offset, bytes, position, done),
  readv: (fd, into, position, done) => fs.readv(fd, into, position, done),
  write: (fd, from, offset, bytes, position, done) => fs.write(fd, from, offset, bytes, position, done),
  writev: (fd, from, position, done) => fs.writev(fd, from as Uint8Array[], position, done),
  fdatasync: (fd, done) => fs.fdatasync(fd, done),
  punchHole,
};
