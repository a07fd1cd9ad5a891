import type { QueueLimits } from "@inlinecrypt/blk-core";
import { DmFeature, type DmTarget, type DmTargetType, MapResult } from "../dm-target.js";
import { unlimitedDiscards } from "./unlimited-discards.js";

/**
 * All I/O fails: `error`. Takes the place of any target, to end what waits for it.
 *
 * @kernel drivers/md/dm-target.c: error_target
 */
export const errorTarget: DmTargetType = {
  name: "error",
  version: [1, 7, 0],
  features: DmFeature.WILDCARD,
  ctr: (args) => {
    args.end();
    return new ErrorTarget();
  },
};

class ErrorTarget implements DmTarget {
  readonly numDiscardBios = 1;
  readonly numWriteZeroesBios = 1;
  readonly discardsSupported = true;

  map(): MapResult {
    return MapResult.KILL;
  }

  cloneAndMapRq(): MapResult {
    return MapResult.KILL;
  }

  ioHints(limits: QueueLimits): QueueLimits {
    return { ...limits, ...unlimitedDiscards };
  }

  table(): string {
    return "";
  }
}
