import { BIO_MAX_VECS, SECTOR_BYTES } from "./bio.js";

/**
 * What a device can take in one request. Sizes are powers of two unless said otherwise; a bio larger than a maximum is
 * split. In this model the address of a memory run is its `BioVec.offset`: the limits on segments count from there.
 *
 * @kernel include/linux/blkdev.h: queue_limits
 */
export interface QueueLimits {
  /** Smallest addressable unit, 512 to 65536. Bios are aligned to it. */
  readonly logicalBlockBytes: number;
  /** Smallest unit written without read-modify-write, at least `logicalBlockBytes`. */
  readonly physicalBlockBytes: number;
  /** Where the first physical block starts, below `physicalBlockBytes`: disks that hide a partition table's 63 sectors. */
  readonly alignmentOffsetBytes: number;
  /** Preferred smallest I/O, for NBD's and others' hints; at least `physicalBlockBytes`. */
  readonly ioMinBytes: number;
  /** Preferred I/O for streams, a multiple of `physicalBlockBytes`; 0: none. */
  readonly ioOptBytes: number;
  /** Most sectors of one read or write, a multiple of the logical block. */
  readonly maxSectors: number;
  /** Most memory runs of one request, 1 to 65535. */
  readonly maxSegments: number;
  /** Most bytes of one memory run, at least one logical block. */
  readonly maxSegmentBytes: number;
  /**
   * No memory run crosses a multiple of this address, 4096 to 2^32.
   *
   * @kernel include/linux/blkdev.h: seg_boundary_mask, plus one
   */
  readonly segmentBoundaryBytes: number;
  /**
   * Memory runs start at, and are as long as, a multiple of this, 1 to 4096. Others end with INVAL. The kernel's default
   * is 512; memory that no device reads directly needs no alignment, so ours is 1.
   *
   * @kernel include/linux/blkdev.h: dma_alignment, plus one
   */
  readonly dmaAlignmentBytes: number;
  /** Most sectors of one discard; 0: discard is not supported. */
  readonly maxDiscardSectors: number;
  /** Discards are useful in multiples of this, any number of whole sectors; 0: discard is not supported. */
  readonly discardGranularityBytes: number;
  /** Where the first granule starts, below `discardGranularityBytes`, whole sectors. */
  readonly discardAlignmentBytes: number;
  /** Most sectors of one write zeroes; 0: not supported, callers write zeroes as data. */
  readonly maxWriteZeroesSectors: number;
  /** The device has a volatile cache: flush and FUA mean something. */
  readonly writeCache: boolean;
  /** The device does FUA itself; otherwise a flush follows the write. Always false without a write cache. */
  readonly fua: boolean;
  /**
   * Requests are counted and timed for `BlockDevice.stat`. That reads the clock for every submission, or every plug.
   *
   * @kernel include/linux/blkdev.h: BLK_FEAT_IO_STAT
   */
  readonly ioStats: boolean;
  /** The device stores protection information next to each interval of data; null: it does not. */
  readonly integrity: IntegrityLimits | null;
  /** Some device below does not line up with the others: `alignmentOffsetBytes` means nothing. Set by `stackLimits`. */
  readonly misaligned: boolean;
}

/**
 * The protection information a device stores: T10 tuples of 8 bytes, a guard tag over the data, an application tag and a
 * reference tag.
 *
 * @kernel include/linux/blkdev.h: blk_integrity
 */
export interface IntegrityLimits {
  /** What the guard is: the T10 CRC, or the Internet checksum, which is cheaper to compute. */
  readonly csum: "crc" | "ip";
  /** 1: the reference tag is the low 32 bits of the interval's number on the disk. 3: it means nothing. */
  readonly type: 1 | 3;
  /** Bytes a tuple protects, 512 up to the logical block. */
  readonly intervalBytes: number;
  /** Bytes of a tuple; T10 knows 8 only. */
  readonly tupleBytes: 8;
  /** Bytes of a tuple left to upper layers: 0, 2 (application tag), with type 3 also 6 (and reference tag). */
  readonly tagBytes: number;
}

/**
 * Limits as a driver states them; what is left out has its default, and an integrity interval is the logical block.
 */
export type QueueLimitsInput = Partial<Omit<QueueLimits, "integrity">> & {
  readonly integrity?: (Pick<IntegrityLimits, "csum" | "type"> & Partial<IntegrityLimits>) | null;
};

/** @kernel block/blk-settings.c: blk_validate_limits and BLK_DEF_MAX_SECTORS_CAP, where drivers say nothing */
export const defaultLimits: QueueLimits = {
  logicalBlockBytes: SECTOR_BYTES,
  physicalBlockBytes: SECTOR_BYTES,
  alignmentOffsetBytes: 0,
  ioMinBytes: SECTOR_BYTES,
  ioOptBytes: 0,
  maxSectors: 2560,
  maxSegments: 128,
  maxSegmentBytes: 65536,
  segmentBoundaryBytes: 2 ** 32,
  dmaAlignmentBytes: 1,
  maxDiscardSectors: 0,
  discardGranularityBytes: 0,
  discardAlignmentBytes: 0,
  maxWriteZeroesSectors: 0,
  writeCache: false,
  fua: false,
  ioStats: true,
  integrity: null,
  misaligned: false,
};

/** Largest logical block and data unit this project handles. */
export const MAX_BLOCK_BYTES = 65536;

/** Smallest memory run every driver takes, as large as the kernel's page. @kernel include/linux/blkdev.h: BLK_MIN_SEGMENT_SIZE */
export const MIN_SEGMENT_BYTES = 4096;

/** Bytes of a T10 protection information tuple. @kernel include/linux/t10-pi.h: t10_pi_tuple */
export const PI_TUPLE_BYTES = 8;

/** Most protection information of one bio. @kernel include/linux/blkdev.h: BLK_INTEGRITY_MAX_SIZE */
export const INTEGRITY_MAX_BYTES: number = 2 ** 21;

/** Most bytes a bio of single-page vectors holds: what upper layers cut their I/O into. */
export const BIO_CHUNK_BYTES: number = BIO_MAX_VECS * 4096;
