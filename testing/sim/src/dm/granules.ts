import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { Below } from "./layout.js";

/** Space is given out in such pieces: every block and data unit fits. */
export const GRANULE_SECTORS = 64;

/** Sectors that lie together below, taken for a mapped device. */
export interface Run {
  readonly below: Below;
  readonly start: number;
  readonly sectors: number;
}

/** Which sectors of a device no mapped device uses. */
export class Granules {
  readonly below: Below;
  readonly #used: boolean[];

  constructor(below: Below, sectors: number) {
    this.below = below;
    this.#used = new Array<boolean>(Math.floor(sectors / GRANULE_SECTORS)).fill(false);
  }

  /** Sectors that are free, in runs or not. */
  get freeSectors(): number {
    return GRANULE_SECTORS * this.#used.filter((used) => !used).length;
  }

  /** A run of exactly so many sectors, whole granules, or null. */
  take(sectors: number, random: SeededRandom): Run | null {
    const count = sectors / GRANULE_SECTORS;
    const places = this.#used.map((_, index) => index).filter((index) => this.#isFree(index, count));
    if (places.length === 0) return null;
    const first = random.pick(places);
    this.#used.fill(true, first, first + count);
    return { below: this.below, start: first * GRANULE_SECTORS, sectors };
  }

  give({ start, sectors }: Pick<Run, "start" | "sectors">): void {
    this.#used.fill(false, start / GRANULE_SECTORS, (start + sectors) / GRANULE_SECTORS);
  }

  #isFree(index: number, count: number): boolean {
    return index + count <= this.#used.length && !this.#used.slice(index, index + count).includes(true);
  }
}
