import { SECTOR_BYTES } from "./bio.js";
import { defaultLimits, type IntegrityLimits, MIN_SEGMENT_BYTES, type QueueLimits } from "./limits.js";

/** What 32 bits hold, as in the kernel. */
const MAX_IO_OPT_BYTES = 2 ** 32 - 1;

/** What `stackLimits` found. */
export interface StackedLimits {
  /** The top device's limits, with this bottom device respected. */
  readonly limits: QueueLimits;
  /** This bottom device does not line up with those stacked before. `limits.misaligned` also remembers earlier ones. */
  readonly misaligned: boolean;
}

/**
 * The limits a stacking device starts from: none, so that those of its bottom devices decide.
 *
 * @kernel block/blk-settings.c: blk_set_stacking_limits
 */
export const stackingLimits: QueueLimits = {
  ...defaultLimits,
  maxSectors: 2 ** 32 - 1,
  maxSegments: 65535,
  maxSegmentBytes: 2 ** 32 - 1,
  maxWriteZeroesSectors: 2 ** 32 - 1,
};

/**
 * Combines a stacking device's limits with one more device below it: what both can take, and an alignment that suits
 * both. Start from `stackingLimits`, call it for every device below, commit the result. Integrity is not stacked here,
 * see `stackIntegrity`.
 *
 * @param startSector where the data starts on the bottom device's disk, its partition's start included.
 * @kernel block/blk-settings.c: blk_stack_limits
 */
export function stackLimits(top: QueueLimits, bottom: QueueLimits, startSector: number): StackedLimits {
  const { sizes, misaligned } = stackAlignment(top, bottom, alignmentOffsetAt(bottom, startSector));
  const maxSectors = roundDownToBlocks(Math.min(top.maxSectors, bottom.maxSectors), sizes.logicalBlockBytes);
  const limits: QueueLimits = {
    ...top,
    ...sizes,
    maxSectors,
    maxSegments: Math.min(top.maxSegments, bottom.maxSegments),
    maxSegmentBytes: Math.min(top.maxSegmentBytes, bottom.maxSegmentBytes),
    segmentBoundaryBytes: Math.min(top.segmentBoundaryBytes, bottom.segmentBoundaryBytes),
    dmaAlignmentBytes: Math.max(top.dmaAlignmentBytes, bottom.dmaAlignmentBytes),
    maxWriteZeroesSectors: Math.min(top.maxWriteZeroesSectors, bottom.maxWriteZeroesSectors),
    ...stackDiscard(top, bottom, startSector),
    writeCache: top.writeCache || bottom.writeCache,
    fua: top.fua || bottom.fua,
    misaligned: top.misaligned || bottom.misaligned || misaligned,
  };
  return { limits, misaligned };
}

/**
 * The protection information of a device on top of these: theirs when all have the same, else none.
 *
 * @kernel block/blk-settings.c: queue_limits_stack_integrity
 */
export function stackIntegrity(bottoms: readonly QueueLimits[]): IntegrityLimits | null {
  const first = bottoms[0]?.integrity ?? null;
  return first !== null && bottoms.every(({ integrity }) => sameIntegrity(first, integrity)) ? first : null;
}

function sameIntegrity(a: IntegrityLimits, b: IntegrityLimits | null): boolean {
  return (
    b !== null &&
    a.csum === b.csum &&
    a.type === b.type &&
    a.intervalBytes === b.intervalBytes &&
    a.tagBytes === b.tagBytes
  );
}

type Sizes = Pick<
  QueueLimits,
  "logicalBlockBytes" | "physicalBlockBytes" | "alignmentOffsetBytes" | "ioMinBytes" | "ioOptBytes"
>;

/** Block sizes that suit both, and whether the places where their blocks start do. */
function stackAlignment(
  top: QueueLimits,
  bottom: QueueLimits,
  bottomOffsetBytes: number,
): { sizes: Sizes; misaligned: boolean } {
  let misaligned = !intervalsLineUp(top, bottom, bottomOffsetBytes);
  const logicalBlockBytes = Math.max(top.logicalBlockBytes, bottom.logicalBlockBytes);
  const physicalBlockBytes = Math.max(top.physicalBlockBytes, bottom.physicalBlockBytes);
  let ioMinBytes = Math.max(top.ioMinBytes, bottom.ioMinBytes);
  let ioOptBytes = lcmNotZero(top.ioOptBytes, bottom.ioOptBytes);
  if (ioMinBytes % physicalBlockBytes !== 0) {
    ioMinBytes = physicalBlockBytes;
    misaligned = true;
  }
  if (ioOptBytes % physicalBlockBytes !== 0) {
    ioOptBytes = 0;
    misaligned = true;
  }
  // Sizes that have little in common agree on nothing that helps. (The kernel's number wraps.)
  if (ioOptBytes > MAX_IO_OPT_BYTES) ioOptBytes = 0;
  const alignmentOffsetBytes =
    lcmNotZero(top.alignmentOffsetBytes, bottomOffsetBytes) % Math.max(physicalBlockBytes, ioMinBytes);
  if (alignmentOffsetBytes % logicalBlockBytes !== 0) misaligned = true;
  return {
    sizes: { logicalBlockBytes, physicalBlockBytes, alignmentOffsetBytes, ioMinBytes, ioOptBytes },
    misaligned,
  };
}

function intervalsLineUp(top: QueueLimits, bottom: QueueLimits, bottomOffsetBytes: number): boolean {
  if (top.alignmentOffsetBytes === bottomOffsetBytes) return true;
  const a = granularityOf(top) + top.alignmentOffsetBytes;
  const b = granularityOf(bottom) + bottomOffsetBytes;
  return Math.max(a, b) % Math.min(a, b) === 0;
}

function stackDiscard(
  top: QueueLimits,
  bottom: QueueLimits,
  startSector: number,
): Pick<QueueLimits, "maxDiscardSectors" | "discardGranularityBytes" | "discardAlignmentBytes"> {
  const { maxDiscardSectors, discardGranularityBytes, discardAlignmentBytes } = top;
  if (bottom.discardGranularityBytes === 0) {
    return { maxDiscardSectors, discardGranularityBytes, discardAlignmentBytes };
  }
  const granularityBytes = Math.max(discardGranularityBytes, bottom.discardGranularityBytes);
  return {
    maxDiscardSectors: minNotZero(maxDiscardSectors, bottom.maxDiscardSectors),
    discardGranularityBytes: granularityBytes,
    discardAlignmentBytes:
      lcmNotZero(discardAlignmentBytes, discardAlignmentAt(bottom, startSector)) % granularityBytes,
  };
}

function granularityOf(limits: QueueLimits): number {
  return Math.max(limits.physicalBlockBytes, limits.ioMinBytes);
}

/** Bytes from `sector` to the next physical block. @kernel block/blk-settings.c: queue_limit_alignment_offset */
function alignmentOffsetAt(limits: QueueLimits, sector: number): number {
  const granularity = granularityOf(limits);
  return (granularity + limits.alignmentOffsetBytes - ((sector * SECTOR_BYTES) % granularity)) % granularity;
}

/** Bytes from `sector` to the next discard granule. @kernel block/blk-settings.c: queue_limit_discard_alignment */
function discardAlignmentAt(limits: QueueLimits, sector: number): number {
  const granularity = limits.discardGranularityBytes;
  return (granularity + limits.discardAlignmentBytes - ((sector * SECTOR_BYTES) % granularity)) % granularity;
}

/** Whole logical blocks, but never less than a page's worth. @kernel block/blk-settings.c: blk_round_down_sectors */
function roundDownToBlocks(sectors: number, logicalBlockBytes: number): number {
  return Math.max(sectors - (sectors % (logicalBlockBytes / SECTOR_BYTES)), MIN_SEGMENT_BYTES / SECTOR_BYTES);
}

function minNotZero(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : Math.min(a, b);
}

function lcmNotZero(a: number, b: number): number {
  return a === 0 || b === 0 ? Math.max(a, b) : (a / gcd(a, b)) * b;
}

function gcd(a: number, b: number): number {
  let [larger, smaller] = [a, b];
  while (smaller !== 0) [larger, smaller] = [smaller, larger % smaller];
  return larger;
}
