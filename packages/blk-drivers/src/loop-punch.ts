import { spawn } from "node:child_process";
import type { LoopIo, OperationDone } from "./loop-io.js";

/** Child processes of one device at a time; further holes wait. */
const MAX_CHILDREN = 4;

/** The file descriptor of the child that is the loop device's file. */
const CHILD_FD = 3;

/**
 * Makes a range of an open file a hole that reads as zeroes; the size stays. Node has no fallocate(2), so util-linux's
 * program makes the call. On systems without it, or without /proc, `done` gets an error.
 *
 * @kernel drivers/block/loop.c: lo_fallocate
 */
export function punchHole(fd: number, byteOffset: number, bytes: number, done: OperationDone): void {
  let ended = false;
  const end = (error: Error | null): void => {
    if (ended) return;
    ended = true;
    done(error);
  };
  const range = ["--offset", String(byteOffset), "--length", String(bytes)];
  try {
    // Detached: a Ctrl-C on the terminal, which we answer by draining, must not fail the discards being drained.
    const child = spawn("fallocate", ["--punch-hole", "--keep-size", ...range, `/proc/self/fd/${CHILD_FD}`], {
      stdio: ["ignore", "ignore", "ignore", fd],
      detached: true,
    });
    child.once("error", end);
    child.once("exit", (code, signal) => {
      end(code === 0 ? null : new Error(`fallocate ended with ${code ?? signal}`));
    });
  } catch (error) {
    end(error as Error);
  }
}

/** Something that wants a hole; embedded in what waits for it. */
export interface PunchJob {
  nextJob: PunchJob | null;
  readonly byteOffset: number;
  readonly bytes: number;
  /** Runs once, perhaps before `punch` returns. */
  punched(error: Error | null): void;
}

/** Punches holes, a few at a time, first come first served. */
export class HolePuncher {
  readonly #fd: number;
  readonly #io: LoopIo;
  #running = 0;
  #first: PunchJob | null = null;
  #last: PunchJob | null = null;

  constructor(fd: number, io: LoopIo) {
    this.#fd = fd;
    this.#io = io;
  }

  punch(job: PunchJob): void {
    if (this.#running < MAX_CHILDREN) return this.#start(job);
    if (this.#last === null) this.#first = job;
    else this.#last.nextJob = job;
    this.#last = job;
  }

  #start(job: PunchJob): void {
    this.#running++;
    this.#io.punchHole(this.#fd, job.byteOffset, job.bytes, (error) => {
      this.#running--;
      this.#startNext();
      job.punched(error);
    });
  }

  #startNext(): void {
    const job = this.#first;
    if (job === null) return;
    this.#first = job.nextJob;
    if (this.#first === null) this.#last = null;
    job.nextJob = null;
    this.#start(job);
  }
}

/**
 * Whether holes can be punched into a file of `fileBytes` bytes. Asks for one behind the end of the file, where there
 * is nothing to lose: a file system that cannot do it says so there as well.
 */
export function canPunchHoles(fd: number, fileBytes: number, blockBytes: number, io: LoopIo): Promise<boolean> {
  const behindEnd = Math.ceil(fileBytes / blockBytes) * blockBytes;
  return new Promise((resolve) => {
    io.punchHole(fd, behindEnd, blockBytes, (error) => resolve(error === null));
  });
}
