import {
  BlkError,
  type BlockDevice,
  type BlockLayer,
  type GenDisk,
  SECTOR_BYTES,
  validateLimits,
} from "@inlinecrypt/blk-core";
import type { LoopBacking } from "./loop-backing.js";
import { LoopBdevBacking } from "./loop-bdev-backing.js";
import { newLoopDisk } from "./loop-disk.js";
import { openLoopFile } from "./loop-file.js";
import { LoopFileBacking } from "./loop-file-backing.js";
import { nodeLoopIo } from "./loop-io.js";
import { canPunchHoles } from "./loop-punch.js";

interface LoopOptions {
  /**
   * Reads only; the disk refuses writes.
   *
   * @default false; true over a device that is read-only
   */
  readOnly?: boolean;
  /**
   * Bios are aligned to this, a power of two from 512 to 65536. A file's size must be a multiple of it; a device's own
   * must not be larger.
   *
   * @default 512, or that of the device
   */
  logicalBlockBytes?: number;
  /**
   * Most requests at a time; Node works on as many files as its thread pool has threads.
   *
   * @default 128
   */
  queueDepth?: number;
  /**
   * As it appears in messages.
   *
   * @default the path of the file, or "loop over" and the name of the device
   */
  name?: string;
}

/** A loop device in a file. */
export interface LoopOverFile extends LoopOptions {
  /** Path of a regular or block special file. */
  file: string;
  device?: never;
  /**
   * Size of the disk. A file that does not exist is created with it, sparse; one that exists must have it.
   *
   * @default the size of the file, which must exist
   */
  sizeBytes?: number;
}

/** A loop device on another block device, which is as large. */
export interface LoopOverDevice extends LoopOptions {
  /** Of the same block layer. It stays its owner's: close it after the loop device. */
  device: BlockDevice;
  file?: never;
  sizeBytes?: never;
}

export type LoopDeviceOptions = LoopOverFile | LoopOverDevice;

/**
 * A disk in a file, or on another block device. It has no crypto profile: contexts are served by the fallback above it.
 *
 * In a file, writes are in the operating system's cache when they end; a flush that ends, and a write with FUA that ends,
 * are on the medium. Once a flush has failed, all later ones fail too. Discards free space in a regular file on Linux;
 * where that cannot be done, `limits.maxDiscardSectors` is 0 and they end with NOTSUPP. On a device, operations are the
 * device's: what it does not know, the loop device does not either.
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
   * Opens a file, or creates it, or takes a device, as a disk.
   *
   * @throws BlkError naming the file or device and what was expected: ENOENT, EACCES, EPERM, EROFS, EISDIR; EINVAL for a
   * size that is no multiple of the logical block or not the one asked for, and for a logical block smaller than the
   * device's; ENOSPC or EFBIG when a file cannot be created.
   * @kernel drivers/block/loop.c: loop_configure
   */
  static async open(layer: BlockLayer, options: LoopDeviceOptions): Promise<LoopDevice> {
    const {
      name,
      queueDepth,
      device,
      logicalBlockBytes = device?.queue.limits.logicalBlockBytes ?? SECTOR_BYTES,
    } = options;
    validateLimits({ logicalBlockBytes });
    const backing =
      options.device === undefined
        ? await openFile(options, logicalBlockBytes)
        : newBdevBacking(layer, options, logicalBlockBytes);
    try {
      const disk = newLoopDisk(layer, backing, { name: name ?? backing.name, logicalBlockBytes, queueDepth });
      return new LoopDevice(disk, backing);
    } catch (error) {
      await backing.close();
      throw error;
    }
  }

  /** The whole disk. */
  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /**
   * Refuses new I/O, waits for what was accepted, puts it on the medium and closes the file; a device below stays open.
   * Idempotent.
   *
   * @throws BlkError when data could not be put on the medium; the file is closed all the same.
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

async function openFile(options: LoopOverFile, logicalBlockBytes: number): Promise<LoopFileBacking> {
  const { file: path, readOnly = false, sizeBytes } = options;
  const file = await openLoopFile({ file: path, readOnly, sizeBytes, logicalBlockBytes });
  try {
    const punches =
      file.isRegular && !readOnly && (await canPunchHoles(file.handle.fd, file.bytes, file.blockBytes, nodeLoopIo));
    return new LoopFileBacking(file, nodeLoopIo, punches);
  } catch (error) {
    await file.handle.close();
    throw error;
  }
}

function newBdevBacking(layer: BlockLayer, options: LoopOverDevice, logicalBlockBytes: number): LoopBdevBacking {
  const { device, readOnly = false } = options;
  const belowBytes = device.queue.limits.logicalBlockBytes;
  if (device.queue.layer !== layer) refuse(`${device.name} is of another block layer`);
  if (logicalBlockBytes < belowBytes) {
    refuse(`${device.name} has blocks of ${belowBytes} bytes, expected logicalBlockBytes to be no less`);
  }
  return new LoopBdevBacking(device, readOnly);
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "loop_configure", message);
}
