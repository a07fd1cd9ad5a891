import { type Bio, BlkStatus, opOf, type QueueLimits, ReqFlag, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { DmArgs } from "../dm-args.js";
import type { DmTargetIo } from "../dm-io.js";
import {
  type DmDeviceVisitor,
  DmFeature,
  type DmTarget,
  type DmTargetType,
  EndIoResult,
  MapResult,
} from "../dm-target.js";
import type { DmDev, DmTargetSpec } from "../dm-target-spec.js";

/** After so many errors of a stripe nobody is told of more. @kernel drivers/md/dm-stripe.c: DM_IO_ERROR_THRESHOLD */
const IO_ERROR_THRESHOLD = 15;

/**
 * Chunks in turn on several devices: `striped <stripe count> <chunk sectors> [<device> <start sector>]...`.
 *
 * @kernel drivers/md/dm-stripe.c
 */
export const stripedTarget: DmTargetType = {
  name: "striped",
  version: [1, 7, 0],
  features: DmFeature.PASSES_INTEGRITY | DmFeature.PASSES_CRYPTO,
  ctr: (args, spec) => new StripedTarget(args, spec),
};

interface Stripe {
  readonly dev: DmDev;
  readonly start: number;
  errors: number;
}

class StripedTarget implements DmTarget {
  readonly numFlushBios: number;
  readonly numDiscardBios: number;
  readonly numWriteZeroesBios: number;
  readonly maxIoSectors: number;
  readonly #spec: DmTargetSpec;
  readonly #stripes: readonly Stripe[];
  readonly #chunkSectors: number;
  /** Sectors of each device. */
  readonly #width: number;

  constructor(args: DmArgs, spec: DmTargetSpec) {
    const count = args.number("the number of stripes", 1, 2 ** 32 - 1);
    this.#chunkSectors = args.number("the chunk size in sectors", 1, 2 ** 32 - 1);
    this.#width = spec.sectors / count;
    if (this.#width % this.#chunkSectors !== 0) {
      args.refuse(`${spec.sectors} sectors are no whole chunks of ${this.#chunkSectors} on ${count} stripes`);
    }
    if (args.left !== 2 * count) {
      args.refuse(`${args.left} arguments, expected a device and a start sector for each of ${count} stripes`);
    }
    this.#stripes = Array.from({ length: count }, () => {
      const name = args.word("a device");
      const start = args.number("a start sector");
      return { dev: spec.getDevice(name), start, errors: 0 };
    });
    this.#spec = spec;
    this.maxIoSectors = this.#chunkSectors;
    this.numFlushBios = count;
    this.numDiscardBios = count;
    this.numWriteZeroesBios = count;
  }

  /** @kernel drivers/md/dm-stripe.c: stripe_map */
  map(bio: Bio, io: DmTargetIo): MapResult {
    if ((bio.opf & ReqFlag.PREFLUSH) !== 0) {
      bio.setDev(this.#stripes[io.targetBioNr]!.dev.bdev);
      return MapResult.REMAPPED;
    }
    if (opOf(bio.opf) > ReqOp.WRITE) return this.#mapRange(bio, io);
    this.remap(bio);
    return MapResult.REMAPPED;
  }

  /** @kernel drivers/md/dm-stripe.c: stripe_map_sector */
  remap(bio: Bio): void {
    const offset = bio.sector - this.#spec.begin;
    const chunk = Math.floor(offset / this.#chunkSectors);
    const row = Math.floor(chunk / this.#stripes.length);
    const stripe = this.#stripes[chunk - row * this.#stripes.length]!;
    bio.setDev(stripe.dev.bdev);
    bio.sector = stripe.start + row * this.#chunkSectors + (offset - chunk * this.#chunkSectors);
  }

  endIo(bio: Bio, io: DmTargetIo): EndIoResult {
    if (io.status !== BlkStatus.OK) this.remapFailed(bio);
    return EndIoResult.DONE;
  }

  /** Counts what goes wrong, stripe by stripe. @kernel drivers/md/dm-stripe.c: stripe_end_io */
  remapFailed(bio: Bio): void {
    if (bio.status === BlkStatus.NOTSUPP) return;
    for (const stripe of this.#stripes) {
      if (stripe.dev.bdev !== bio.bdev) continue;
      stripe.errors++;
      if (stripe.errors < IO_ERROR_THRESHOLD) this.#spec.event();
    }
  }

  iterateDevices(visit: DmDeviceVisitor): void {
    for (const { dev, start } of this.#stripes) visit(dev.bdev, start, this.#width);
  }

  /** @kernel drivers/md/dm-stripe.c: stripe_io_hints */
  ioHints(limits: QueueLimits): QueueLimits {
    const chunkBytes = this.#chunkSectors * SECTOR_BYTES;
    return { ...limits, ioMinBytes: chunkBytes, ioOptBytes: chunkBytes * this.#stripes.length };
  }

  table(): string {
    const stripes = this.#stripes.map(({ dev, start }) => ` ${dev.name} ${start}`);
    return `${this.#stripes.length} ${this.#chunkSectors}${stripes.join("")}`;
  }

  /** Count, devices, one group of letters: alive or dead. */
  status(): string {
    const names = this.#stripes.map(({ dev }) => dev.name).join(" ");
    const health = this.#stripes.map(({ errors }) => (errors > 0 ? "D" : "A")).join("");
    return `${this.#stripes.length} ${names} 1 ${health}`;
  }

  /** The part of a range without data that lies on one stripe is in one piece there. @kernel drivers/md/dm-stripe.c: stripe_map_range */
  #mapRange(bio: Bio, io: DmTargetIo): MapResult {
    const begin = this.#firstSectorOn(io.targetBioNr, bio.sector - this.#spec.begin);
    const end = this.#firstSectorOn(io.targetBioNr, bio.endSector - this.#spec.begin);
    if (begin === end) {
      io.end(BlkStatus.OK);
      return MapResult.SUBMITTED;
    }
    const { dev, start } = this.#stripes[io.targetBioNr]!;
    bio.setDev(dev.bdev);
    bio.sector = start + begin;
    bio.bytes = (end - begin) * SECTOR_BYTES;
    return MapResult.REMAPPED;
  }

  /** The first sector of a stripe at or behind `offset`. @kernel drivers/md/dm-stripe.c: stripe_map_range_sector */
  #firstSectorOn(stripeIndex: number, offset: number): number {
    const chunk = Math.floor(offset / this.#chunkSectors);
    const row = Math.floor(chunk / this.#stripes.length);
    const index = chunk - row * this.#stripes.length;
    const rowStart = row * this.#chunkSectors;
    if (index === stripeIndex) return rowStart + (offset - chunk * this.#chunkSectors);
    return stripeIndex < index ? rowStart + this.#chunkSectors : rowStart;
  }
}
