import { BIO_MAX_VECS, SECTOR_BYTES } from "./bio.js";
import { BlkError } from "./errors.js";

/**
 * What a device can take in one request. Byte sizes are powers of two; a bio larger than a maximum is split.
 *
 * @kernel include/linux/blkdev.h: queue_limits
 */
export interface QueueLimits {
  /** Smallest addressable unit, 512 to 65536. Bios are aligned to it. */
  readonly logicalBlockBytes: number;
  /** Smallest unit written without read-modify-write, at least `logicalBlockBytes`. */
  readonly physicalBlockBytes: number;
  /** Preferred smallest I/O, for NBD's and others' hints. */
  readonly ioMinBytes: number;
  /** Most sectors of one read or write. */
  readonly maxSectors: number;
  /** Most memory runs of one request. */
  readonly maxSegments: number;
  /** Most bytes of one memory run. */
  readonly maxSegmentBytes: number;
  /** Most sectors of one discard; 0: discard is not supported. */
  readonly maxDiscardSectors: number;
  /** Discards are useful in multiples of this. */
  readonly discardGranularityBytes: number;
  /** Most sectors of one write zeroes; 0: not supported, callers write zeroes as data. */
  readonly maxWriteZeroesSectors: number;
  /** The device has a volatile cache: flush and FUA mean something. */
  readonly writeCache: boolean;
  /** The device does FUA itself; otherwise a flush follows the write. */
  readonly fua: boolean;
}

/** @kernel block/blk-settings.c: blk_set_stacking_limits and BLK_DEF_MAX_SECTORS_CAP */
export const defaultLimits: QueueLimits = {
  logicalBlockBytes: SECTOR_BYTES,
  physicalBlockBytes: SECTOR_BYTES,
  ioMinBytes: SECTOR_BYTES,
  maxSectors: 2560,
  maxSegments: 128,
  maxSegmentBytes: 65536,
  maxDiscardSectors: 0,
  discardGranularityBytes: SECTOR_BYTES,
  maxWriteZeroesSectors: 0,
  writeCache: false,
  fua: false,
};

/** Largest logical block and data unit this project handles. */
export const MAX_BLOCK_BYTES = 65536;

/**
 * Fills in defaults and checks that the limits make sense together.
 *
 * @throws BlkError EINVAL naming the limit and what was expected.
 * @kernel block/blk-settings.c: blk_validate_limits
 */
export function validateLimits(wanted: Partial<QueueLimits>): QueueLimits {
  const limits: QueueLimits = { ...defaultLimits, ...wanted };
  const physicalBlockBytes = Math.max(limits.physicalBlockBytes, limits.logicalBlockBytes);
  const checked: QueueLimits = {
    ...limits,
    physicalBlockBytes,
    ioMinBytes: Math.max(limits.ioMinBytes, physicalBlockBytes),
    discardGranularityBytes: Math.max(limits.discardGranularityBytes, physicalBlockBytes),
  };
  expectPowerOfTwo("logicalBlockBytes", checked.logicalBlockBytes, MAX_BLOCK_BYTES);
  expectPowerOfTwo("physicalBlockBytes", checked.physicalBlockBytes, 2 ** 30);
  expect(
    "maxSectors",
    checked.maxSectors,
    checked.maxSectors * SECTOR_BYTES >= checked.logicalBlockBytes,
    "at least one logical block",
  );
  expect("maxSegments", checked.maxSegments, checked.maxSegments >= 1 && checked.maxSegments <= 65535, "1 to 65535");
  expect(
    "maxSegmentBytes",
    checked.maxSegmentBytes,
    checked.maxSegmentBytes >= checked.logicalBlockBytes,
    "at least one logical block",
  );
  expect("maxDiscardSectors", checked.maxDiscardSectors, checked.maxDiscardSectors >= 0, "0 or more");
  expect("maxWriteZeroesSectors", checked.maxWriteZeroesSectors, checked.maxWriteZeroesSectors >= 0, "0 or more");
  expect("fua", Number(checked.fua), !checked.fua || checked.writeCache, "false on a device without a write cache");
  return checked;
}

function expectPowerOfTwo(name: string, value: number, max: number): void {
  const good = value >= SECTOR_BYTES && value <= max && Number.isInteger(Math.log2(value));
  expect(name, value, good, `a power of two from ${SECTOR_BYTES} to ${max}`);
}

function expect(name: string, value: number, good: boolean, expected: string): void {
  if (!good || !Number.isInteger(value)) {
    throw new BlkError("EINVAL", "queue_limits_set", `${name} is ${value}, expected ${expected}`);
  }
}

/** Most bytes a bio of single-page vectors holds: what upper layers cut their I/O into. */
export const BIO_CHUNK_BYTES: number = BIO_MAX_VECS * 4096;
