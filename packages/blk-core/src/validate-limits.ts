import { SECTOR_BYTES } from "./bio.js";
import { BlkError } from "./errors.js";
import {
  defaultLimits,
  INTEGRITY_MAX_BYTES,
  type IntegrityLimits,
  MAX_BLOCK_BYTES,
  MIN_SEGMENT_BYTES,
  PI_TUPLE_BYTES,
  type QueueLimits,
  type QueueLimitsInput,
} from "./limits.js";

/**
 * Completes limits from `base`, adjusts those that follow from others, and checks that they make sense together.
 *
 * @throws BlkError EINVAL naming the limit and what was expected.
 * @kernel block/blk-settings.c: blk_validate_limits
 */
export function validateLimits(wanted: QueueLimitsInput, base: QueueLimits = defaultLimits): QueueLimits {
  const stated = { ...base, ...wanted };
  checkSizes(stated);
  const physicalBlockBytes = Math.max(stated.physicalBlockBytes, stated.logicalBlockBytes);
  const integrity = stated.integrity === null ? null : validateIntegrity(stated.integrity, stated.logicalBlockBytes);
  const limits: QueueLimits = {
    ...stated,
    physicalBlockBytes,
    alignmentOffsetBytes: stated.alignmentOffsetBytes % physicalBlockBytes,
    ioMinBytes: Math.max(stated.ioMinBytes, physicalBlockBytes),
    ioOptBytes: roundDown(stated.ioOptBytes, physicalBlockBytes),
    maxSectors: maxSectorsOf(stated.maxSectors, stated.logicalBlockBytes, integrity),
    fua: stated.fua && stated.writeCache,
    integrity,
    ...discardLimits(stated, physicalBlockBytes),
  };
  checkMaxima(limits);
  return limits;
}

type StatedLimits = Omit<QueueLimits, "integrity">;

function checkSizes(stated: StatedLimits): void {
  expectPowerOfTwo("logicalBlockBytes", stated.logicalBlockBytes, SECTOR_BYTES, MAX_BLOCK_BYTES);
  expectPowerOfTwo("physicalBlockBytes", stated.physicalBlockBytes, SECTOR_BYTES, 2 ** 30);
  expectPowerOfTwo("segmentBoundaryBytes", stated.segmentBoundaryBytes, MIN_SEGMENT_BYTES, 2 ** 32);
  expectPowerOfTwo("dmaAlignmentBytes", stated.dmaAlignmentBytes, 1, MIN_SEGMENT_BYTES);
  expectCount("alignmentOffsetBytes", stated.alignmentOffsetBytes);
  expectCount("ioMinBytes", stated.ioMinBytes);
  expectCount("ioOptBytes", stated.ioOptBytes);
  expectCount("maxSectors", stated.maxSectors);
  expectCount("maxSegmentBytes", stated.maxSegmentBytes);
  expectCount("maxDiscardSectors", stated.maxDiscardSectors);
  expectCount("maxWriteZeroesSectors", stated.maxWriteZeroesSectors);
  expectWholeSectors("discardGranularityBytes", stated.discardGranularityBytes);
  expectWholeSectors("discardAlignmentBytes", stated.discardAlignmentBytes);
}

function checkMaxima(limits: QueueLimits): void {
  const { maxSectors, maxSegments, maxSegmentBytes, segmentBoundaryBytes, logicalBlockBytes } = limits;
  expect("maxSectors", maxSectors, maxSectors > 0, "at least one logical block");
  expect("maxSegments", maxSegments, maxSegments >= 1 && maxSegments <= 65535, "1 to 65535");
  expect("maxSegmentBytes", maxSegmentBytes, maxSegmentBytes >= logicalBlockBytes, "at least one logical block");
  expect(
    "segmentBoundaryBytes",
    segmentBoundaryBytes,
    segmentBoundaryBytes >= logicalBlockBytes,
    "at least one logical block",
  );
}

/** Whole logical blocks, and no more than the protection information of one bio covers. */
function maxSectorsOf(maxSectors: number, logicalBlockBytes: number, integrity: IntegrityLimits | null): number {
  const protectedBytes =
    integrity === null ? Number.POSITIVE_INFINITY : (INTEGRITY_MAX_BYTES / PI_TUPLE_BYTES) * integrity.intervalBytes;
  return roundDown(Math.min(maxSectors, protectedBytes / SECTOR_BYTES), logicalBlockBytes / SECTOR_BYTES);
}

function discardLimits(
  stated: StatedLimits,
  physicalBlockBytes: number,
): Pick<QueueLimits, "discardGranularityBytes" | "discardAlignmentBytes"> {
  if (stated.maxDiscardSectors === 0) return { discardGranularityBytes: 0, discardAlignmentBytes: 0 };
  const discardGranularityBytes = Math.max(stated.discardGranularityBytes, physicalBlockBytes);
  return { discardGranularityBytes, discardAlignmentBytes: stated.discardAlignmentBytes % discardGranularityBytes };
}

/** @kernel block/blk-settings.c: blk_validate_integrity_limits */
function validateIntegrity(
  wanted: NonNullable<QueueLimitsInput["integrity"]>,
  logicalBlockBytes: number,
): IntegrityLimits {
  const integrity = { intervalBytes: logicalBlockBytes, tupleBytes: 8, tagBytes: 0, ...wanted } as const;
  const { csum, type, intervalBytes, tupleBytes, tagBytes } = integrity;
  if (csum !== "crc" && csum !== "ip") refuse("integrity.csum", csum, '"crc" or "ip"');
  if (type !== 1 && type !== 3) refuse("integrity.type", type, "1 or 3");
  expectPowerOfTwo("integrity.intervalBytes", intervalBytes, SECTOR_BYTES, logicalBlockBytes);
  expect("integrity.tupleBytes", tupleBytes, tupleBytes === PI_TUPLE_BYTES, String(PI_TUPLE_BYTES));
  const tags = type === 1 ? [0, 2] : [0, 2, 6];
  expect("integrity.tagBytes", tagBytes, tags.includes(tagBytes), tags.join(" or "));
  return integrity;
}

function roundDown(value: number, multiple: number): number {
  return value - (value % multiple);
}

function expectPowerOfTwo(name: string, value: number, min: number, max: number): void {
  const good = value >= min && value <= max && Number.isInteger(Math.log2(value));
  expect(name, value, good, `a power of two from ${min} to ${max}`);
}

function expectCount(name: string, value: number): void {
  expect(name, value, value >= 0, "0 or more");
}

function expectWholeSectors(name: string, value: number): void {
  expect(name, value, value >= 0 && value % SECTOR_BYTES === 0, `a multiple of ${SECTOR_BYTES}`);
}

function expect(name: string, value: number, good: boolean, expected: string): void {
  if (!good || !Number.isSafeInteger(value)) refuse(name, value, expected);
}

function refuse(name: string, value: unknown, expected: string): never {
  throw new BlkError("EINVAL", "queue_limits_set", `${name} is ${value}, expected ${expected}`);
}
