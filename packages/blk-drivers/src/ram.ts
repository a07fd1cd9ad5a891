import {
  type Bio,
  BioQueue,
  BioSegments,
  BlkError,
  BlkStatus,
  type BlockDevice,
  type BlockLayer,
  GenDisk,
  opOf,
  ReqFlag,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { SparseMemory } from "./sparse-memory.js";

/** Discards and zeroing take no data, so one of them may cover the largest bio. */
const MAX_NO_DATA_SECTORS = 2 ** 23 - 1;

export interface RamDiskOptions {
  /** Size, a multiple of 512. Memory is taken only where something was written. */
  bytes: number;
  /**
   * As it appears in messages.
   *
   * @default "ram0"
   */
  name?: string;
  /** @default false */
  readOnly?: boolean;
}

/**
 * A disk in memory. Bios end before `submitBio` returns; it has no cache to flush, and discarded ranges read as zeroes.
 *
 * @kernel drivers/block/brd.c
 */
export class RamDisk implements AsyncDisposable {
  readonly disk: GenDisk;
  readonly #memory = new SparseMemory();
  readonly #segments = new BioSegments();

  /** @throws BlkError EINVAL when `bytes` is not a multiple of 512. */
  constructor(layer: BlockLayer, options: RamDiskOptions) {
    const { bytes, name = "ram0", readOnly = false } = options;
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes % SECTOR_BYTES !== 0) {
      throw new BlkError("EINVAL", name, `${bytes} bytes, expected a multiple of ${SECTOR_BYTES}`);
    }
    const queue = new BioQueue(
      layer,
      { submitBio: (bio) => this.#submitBio(bio) },
      {
        physicalBlockBytes: 4096,
        maxDiscardSectors: MAX_NO_DATA_SECTORS,
        maxWriteZeroesSectors: MAX_NO_DATA_SECTORS,
      },
    );
    this.disk = new GenDisk({ name, queue, sectorCount: bytes / SECTOR_BYTES, readOnly });
  }

  /** The whole disk. */
  get bdev(): BlockDevice {
    return this.disk.part0;
  }

  /** Memory in use for data, in bytes. */
  get allocatedBytes(): number {
    return this.#memory.allocatedBytes;
  }

  /**
   * Copies what the medium holds at `byteOffset` into all of `into`, past queue and encryption: on an encrypted volume
   * this is the ciphertext. Any offset and length inside the disk.
   *
   * @throws BlkError EINVAL outside the disk.
   */
  readMedium(byteOffset: number, into: Uint8Array): void {
    if (!(byteOffset >= 0 && byteOffset + into.length <= this.bdev.bytes)) {
      throw new BlkError(
        "EINVAL",
        this.disk.name,
        `bytes ${byteOffset} to ${byteOffset + into.length} lie outside the disk of ${this.bdev.bytes}`,
      );
    }
    this.#memory.read(byteOffset, into, 0, into.length);
  }

  /** Refuses new I/O and gives back the memory. Idempotent. */
  async close(): Promise<void> {
    await this.disk.close();
    this.#memory.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @kernel drivers/block/brd.c: brd_submit_bio */
  #submitBio(bio: Bio): void {
    switch (opOf(bio.opf)) {
      case ReqOp.READ:
      case ReqOp.WRITE:
        return bio.endIoWith(this.#transfer(bio));
      case ReqOp.DISCARD:
        this.#memory.zero(bio.sector * SECTOR_BYTES, bio.bytes);
        return bio.endIo();
      case ReqOp.WRITE_ZEROES:
        this.#memory.zero(bio.sector * SECTOR_BYTES, bio.bytes, (bio.opf & ReqFlag.NOUNMAP) !== 0);
        return bio.endIo();
      default:
        return bio.endIoWith(BlkStatus.NOTSUPP);
    }
  }

  #transfer(bio: Bio): BlkStatus {
    const write = opOf(bio.opf) === ReqOp.WRITE;
    const segments = this.#segments;
    let byteOffset = bio.sector * SECTOR_BYTES;
    segments.start(bio);
    while (segments.next()) {
      const { data, offset, bytes } = segments;
      if (!write) this.#memory.read(byteOffset, data, offset, bytes);
      else if (!this.#memory.write(byteOffset, data, offset, bytes)) return BlkStatus.RESOURCE;
      byteOffset += bytes;
    }
    return BlkStatus.OK;
  }
}
