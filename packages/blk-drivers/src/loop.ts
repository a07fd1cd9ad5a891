import {
  BIO_MAX_VECS,
  BlkMqQueue,
  type BlockDevice,
  type BlockLayer,
  GenDisk,
  SECTOR_BYTES,
  validateLimits,
} from "@inlinecrypt/blk-core";
import { LoopBacking } from "./loop-backing.js";
import { LoopCmd } from "./loop-cmd.js";
import { openLoopFile } from "./loop-file.js";
import { nodeLoopIo } from "./loop-io.js";
import { canPunchHoles } from "./loop-punch.js";

/** Most sectors of one discard. @kernel drivers/block/loop.c: loop_config_discard */
const MAX_HOLE_SECTORS = 2 ** 23 - 1;
/** Most sectors of one write zeroes: 32 MiB, so that a large range is zeroed by several requests at once. */
const MAX_ZEROES_SECTORS = 65536;
/** The operating system's cache works in pages: a smaller write reads the rest of its page first. */
const PAGE_BYTES = 4096;

export interface LoopDeviceOptions {
  /** Path of a regular or block special file. */
  file: string;
  /**
   * Opens the file for reading only; the disk refuses writes.
   *
   * @default false
   */
  readOnly?: boolean;
  /**
   * Size of the disk. A file that does not exist is created with it, sparse; one that exists must have it.
   *
   * @default the size of the file, which must exist
   */
  sizeBytes?: number;
  /**
   * Bios are aligned to this, a power of two from 512 to 65536; the file's size must be a multiple of it.
   *
   * @default 512
   */
  logicalBlockBytes?: number;
  /**
   * Most requests at a time; Node works on as many as its thread pool has threads.
   *
   * @default 128
   */
  queueDepth?: number;
  /**
   * As it appears in messages.
   *
   * @default the path of the file
   */
  name?: string;
}

/**
 * A disk in a file. Writes are in the operating system's cache when they end; a flush that ends, and a write with FUA
 * that ends, are on the medium. Once a flush has failed, all later ones fail too. Discards free space in a regular file
 * on Linux; where that cannot be done, `limits.maxDiscardSectors` is 0 and they end with NOTSUPP.
 *
 * @kernel drivers/block/loop.c
 */
export class LoopDevice implements AsyncDisposable {
  readonly disk: GenDisk;
  readonly #backing: LoopBacking;
  #closed: Promise<void> | null = null;

  private constructor(disk: GenDisk, backing: LoopBacking) {
    this.disk = disk;
    this.#backing = backing;
  }

  /**
   * Opens a file, or creates it, as a disk.
   *
   * @throws BlkError naming the file and what was expected: ENOENT, EACCES, EPERM, EROFS, EISDIR; EINVAL for a size that
   * is no multiple of the logical block or not the one asked for; ENOSPC or EFBIG when it cannot be created.
   * @kernel drivers/block/loop.c: loop_configure
   */
  static async open(layer: BlockLayer, options: LoopDeviceOptions): Promise<LoopDevice> {
    const { readOnly = false, sizeBytes, logicalBlockBytes = SECTOR_BYTES } = options;
    validateLimits({ logicalBlockBytes });
    const file = await openLoopFile({ file: options.file, readOnly, sizeBytes, logicalBlockBytes });
    try {
      const punches =
        file.isRegular && !readOnly && (await canPunchHoles(file.handle.fd, file.bytes, file.blockBytes, nodeLoopIo));
      const backing = new LoopBacking(file, nodeLoopIo, punches);
      return new LoopDevice(newLoopDisk(layer, backing, options), backing);
    } catch (error) {
      await file.handle.close();
      throw error;
    }
  }

  /** The whole disk. */
  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /**
   * Refuses new I/O, waits for what was accepted, puts it on the medium and closes the file. Idempotent.
   *
   * @throws BlkError EIO when data could not be put on the medium; the file is closed all the same.
   * @kernel drivers/block/loop.c: __loop_clr_fd
   */
  close(): Promise<void> {
    this.#closed ??= this.disk.close().then(() => this.#backing.close());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The disk over an open file; what `LoopDevice.open` does after opening, and what tests do with a failing file. */
export function newLoopDisk(
  layer: BlockLayer,
  backing: LoopBacking,
  options: Pick<LoopDeviceOptions, "logicalBlockBytes" | "queueDepth" | "name">,
): GenDisk {
  const { path, bytes, readOnly, blockBytes } = backing.file;
  const queue = new BlkMqQueue(layer, {
    ops: {
      initRequest: (rq) => {
        rq.driverData = new LoopCmd(rq, backing);
      },
      queueRq: (rq) => (rq.driverData as LoopCmd).start(),
    },
    queueDepth: options.queueDepth ?? 128,
    limits: {
      logicalBlockBytes: options.logicalBlockBytes ?? SECTOR_BYTES,
      physicalBlockBytes: PAGE_BYTES,
      maxSegments: BIO_MAX_VECS,
      maxDiscardSectors: backing.canPunchHoles ? MAX_HOLE_SECTORS : 0,
      discardGranularityBytes: blockBytes,
      maxWriteZeroesSectors: MAX_ZEROES_SECTORS,
      writeCache: !readOnly,
    },
  });
  return new GenDisk({ name: options.name ?? path, queue, sectorCount: bytes / SECTOR_BYTES, readOnly });
}
