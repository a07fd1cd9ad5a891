import type { Bio } from "@inlinecrypt/blk-core";
import type { DmArgs } from "../dm-args.js";
import { type DmDeviceVisitor, DmFeature, type DmTarget, type DmTargetType, MapResult } from "../dm-target.js";
import type { DmDev, DmTargetSpec } from "../dm-target-spec.js";

/**
 * A run of sectors of another device: `linear <device> <start sector>`.
 *
 * @kernel drivers/md/dm-linear.c
 */
export const linearTarget: DmTargetType = {
  name: "linear",
  version: [1, 5, 0],
  features: DmFeature.PASSES_INTEGRITY | DmFeature.PASSES_CRYPTO,
  ctr: (args, spec) => new LinearTarget(args, spec),
};

class LinearTarget implements DmTarget {
  readonly numFlushBios = 1;
  readonly numDiscardBios = 1;
  readonly numWriteZeroesBios = 1;
  readonly #dev: DmDev;
  readonly #start: number;
  readonly #sectors: number;
  /** From a sector of the mapped device to the device's. */
  readonly #shift: number;

  constructor(args: DmArgs, spec: DmTargetSpec) {
    const name = args.word("the device");
    this.#start = args.number("the start sector");
    args.end();
    this.#dev = spec.getDevice(name);
    this.#sectors = spec.sectors;
    this.#shift = this.#start - spec.begin;
  }

  remap(bio: Bio): void {
    bio.setDev(this.#dev.bdev);
    bio.sector += this.#shift;
  }

  map(bio: Bio): MapResult {
    this.remap(bio);
    return MapResult.REMAPPED;
  }

  iterateDevices(visit: DmDeviceVisitor): void {
    visit(this.#dev.bdev, this.#start, this.#sectors);
  }

  table(): string {
    return `${this.#dev.name} ${this.#start}`;
  }
}
