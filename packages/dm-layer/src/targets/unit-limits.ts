import type { QueueLimits } from "@inlinecrypt/blk-core";

/** Limits of a device that is read and written in whole units: each is encrypted at once. */
export function limitsForUnits(limits: QueueLimits, unitBytes: number): QueueLimits {
  return {
    ...limits,
    logicalBlockBytes: Math.max(limits.logicalBlockBytes, unitBytes),
    physicalBlockBytes: Math.max(limits.physicalBlockBytes, unitBytes),
    ioMinBytes: Math.max(limits.ioMinBytes, unitBytes),
  };
}
