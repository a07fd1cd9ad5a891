import { type Bio, BioSegments, BlkStatus, opOf, type QueueLimits, ReqOp } from "@inlinecrypt/blk-core";
import type { DmTargetIo } from "../dm-io.js";
import { type DmTarget, type DmTargetType, MapResult } from "../dm-target.js";
import { unlimitedDiscards } from "./unlimited-discards.js";

/**
 * Reads return zeroes, writes vanish: `zero`.
 *
 * @kernel drivers/md/dm-zero.c
 */
export const zeroTarget: DmTargetType = {
  name: "zero",
  version: [1, 2, 0],
  features: 0,
  ctr: (args) => {
    args.end();
    return new ZeroTarget();
  },
};

class ZeroTarget implements DmTarget {
  readonly numDiscardBios = 1;
  readonly numWriteZeroesBios = 1;
  readonly discardsSupported = true;
  readonly #segments = new BioSegments();

  map(bio: Bio, io: DmTargetIo): MapResult {
    if (opOf(bio.opf) === ReqOp.READ) this.#zeroFill(bio);
    io.end(BlkStatus.OK);
    return MapResult.SUBMITTED;
  }

  ioHints(limits: QueueLimits): QueueLimits {
    return { ...limits, ...unlimitedDiscards };
  }

  table(): string {
    return "";
  }

  #zeroFill(bio: Bio): void {
    const segments = this.#segments;
    segments.start(bio);
    while (segments.next()) segments.data.fill(0, segments.offset, segments.offset + segments.bytes);
  }
}
