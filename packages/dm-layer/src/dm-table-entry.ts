import { type BlockLayer, opOf, Pool, ReqOp } from "@inlinecrypt/blk-core";
import { DmTargetIo } from "./dm-io.js";
import type { DmTarget, DmTargetType } from "./dm-target.js";

/** Most clones one target has on their way at a time, if none of its bios needs more; further I/O waits. */
const MAX_TARGET_IOS = 1024;

/** A target at its place in a table. @kernel include/linux/device-mapper.h: dm_target */
export class DmTableEntry {
  readonly type: DmTargetType;
  readonly target: DmTarget;
  readonly begin: number;
  readonly sectors: number;
  /** First sector behind it. */
  readonly end: number;
  /** What its clones travel in. */
  readonly ios: Pool<DmTargetIo>;
  readonly #maxIoSectors: number;

  constructor(layer: BlockLayer, type: DmTargetType, target: DmTarget, begin: number, sectors: number) {
    this.type = type;
    this.target = target;
    this.begin = begin;
    this.sectors = sectors;
    this.end = begin + sectors;
    this.#maxIoSectors = target.maxIoSectors ?? 0;
    const create = (): DmTargetIo => new DmTargetIo(this, target.newIoData?.() ?? null);
    const capacity = Math.max(MAX_TARGET_IOS, this.maxClones);
    this.ios = new Pool(`dm_target_io ${type.name}`, capacity, create, layer.failAlloc);
  }

  /** Most clones it wants of one bio. */
  get maxClones(): number {
    const { numFlushBios = 0, numDiscardBios = 0, numWriteZeroesBios = 0 } = this.target;
    return Math.max(1, numFlushBios, numDiscardBios, numWriteZeroesBios);
  }

  /** Most sectors of one read or write from here on. @context hot. @kernel drivers/md/dm.c: max_io_len */
  maxSectorsAt(sector: number): number {
    const toEnd = this.end - sector;
    if (this.#maxIoSectors === 0) return toEnd;
    return Math.min(toEnd, this.#maxIoSectors - ((sector - this.begin) % this.#maxIoSectors));
  }

  /** How many clones it wants of an operation without data; 0: it does not take it. */
  bioCount(opf: number): number {
    switch (opOf(opf)) {
      case ReqOp.DISCARD:
        return this.target.numDiscardBios ?? 0;
      case ReqOp.WRITE_ZEROES:
        return this.target.numWriteZeroesBios ?? 0;
      default:
        return 0;
    }
  }

  hasFeature(feature: number): boolean {
    return (this.type.features & feature) !== 0;
  }
}
