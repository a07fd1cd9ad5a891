import {
  BioSegments,
  BlkError,
  type BlkRequest,
  BlkStatus,
  errnoToStatus,
  type QueueLimitsInput,
} from "@inlinecrypt/blk-core";
import type { LoopBacking } from "./loop-backing.js";
import type { LoopFile } from "./loop-file.js";
import { LoopFileCmd } from "./loop-file-cmd.js";
import type { LoopIo } from "./loop-io.js";
import { HolePuncher, type PunchJob } from "./loop-punch.js";

/** Most sectors of one discard. @kernel drivers/block/loop.c: loop_config_discard */
const MAX_HOLE_SECTORS = 2 ** 23 - 1;
/** Most sectors of one write zeroes: 32 MiB, so that a large range is zeroed by several requests at once. */
const MAX_ZEROES_SECTORS = 65536;
/** The operating system's cache works in pages: a smaller write reads the rest of its page first. */
const PAGE_BYTES = 4096;

/**
 * A loop device's data in a file: what its requests share, and what is known about how much of it is on the medium.
 */
export class LoopFileBacking implements LoopBacking {
  readonly file: LoopFile;
  readonly io: LoopIo;
  readonly fd: number;
  readonly canPunchHoles: boolean;
  /** Walks the request being started; requests start one after the other. */
  readonly segments: BioSegments = new BioSegments();
  readonly #puncher: HolePuncher;
  #dirty = false;
  #syncFailure: BlkStatus = BlkStatus.OK;

  constructor(file: LoopFile, io: LoopIo, canPunchHoles: boolean) {
    this.file = file;
    this.io = io;
    this.fd = file.handle.fd;
    this.canPunchHoles = canPunchHoles;
    this.#puncher = new HolePuncher(this.fd, io);
  }

  get name(): string {
    return this.file.path;
  }

  get bytes(): number {
    return this.file.bytes;
  }

  get readOnly(): boolean {
    return this.file.readOnly;
  }

  limits(): QueueLimitsInput {
    return {
      physicalBlockBytes: PAGE_BYTES,
      maxDiscardSectors: this.canPunchHoles ? MAX_HOLE_SECTORS : 0,
      discardGranularityBytes: this.file.blockBytes,
      maxWriteZeroesSectors: MAX_ZEROES_SECTORS,
      writeCache: !this.readOnly,
    };
  }

  newCmd(rq: BlkRequest): LoopFileCmd {
    return new LoopFileCmd(rq, this);
  }

  /** The file has changed since the last sync started. */
  markDirty(): void {
    this.#dirty = true;
  }

  punch(job: PunchJob): void {
    this.#puncher.punch(job);
  }

  /**
   * Puts everything that was written on the medium. After one failure it never succeeds again: the operating system
   * reports lost pages once and then takes them for clean, so a later success would be a lie. Opening the file anew
   * starts afresh.
   *
   * @kernel drivers/block/loop.c: lo_req_flush
   */
  sync(done: (status: BlkStatus) => void): void {
    if (this.#syncFailure !== BlkStatus.OK) return done(this.#syncFailure);
    this.#dirty = false;
    this.io.fdatasync(this.fd, (error) => {
      if (error !== null) this.#syncFailure = errnoToStatus((error as NodeJS.ErrnoException).code ?? "EIO");
      done(this.#syncFailure);
    });
  }

  /**
   * Syncs what is not on the medium, then closes the file; the device must be idle.
   *
   * @throws BlkError EIO when data was lost; the file is closed all the same.
   */
  async close(): Promise<void> {
    try {
      if (this.#dirty || this.#syncFailure !== BlkStatus.OK) await this.#syncOrThrow();
    } finally {
      await this.file.handle.close();
    }
  }

  async #syncOrThrow(): Promise<void> {
    const status = await new Promise<BlkStatus>((resolve) => this.sync(resolve));
    if (status === BlkStatus.OK) return;
    throw new BlkError(
      "EIO",
      this.file.path,
      "fdatasync failed: writes since the last flush that succeeded may be lost",
    );
  }
}
