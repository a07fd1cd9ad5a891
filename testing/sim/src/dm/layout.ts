import type { WorldDisk } from "../world-disk.js";

/** Sectors of a mapped device that lie together on one below. */
export interface Segment {
  /** First sector of the mapped device. */
  readonly begin: number;
  readonly sectors: number;
  readonly below: Below;
  /** First sector below. */
  readonly start: number;
}

/** A device that tables name. */
export interface Below {
  /** As tables name it. */
  readonly name: string;
  readonly disk: WorldDisk;
}

/** Where the sectors of a mapped device lie, whatever targets its table makes of that. */
export interface Layout {
  readonly sectors: number;
  /** The sector's segment: of a stripe it is one chunk. */
  find(sector: number): Segment;
}

/** Segments one after the other. */
export class LinearLayout implements Layout {
  readonly segments: readonly Segment[];
  readonly sectors: number;

  constructor(segments: readonly Segment[]) {
    this.segments = segments;
    this.sectors = segments.reduce((sum, { sectors }) => sum + sectors, 0);
  }

  find(sector: number): Segment {
    return this.segments.find(({ begin, sectors }) => sector < begin + sectors)!;
  }
}

/** Chunks in turn on several segments, which are of one size. */
export class StripedLayout implements Layout {
  /** `begin` means nothing here. */
  readonly stripes: readonly Segment[];
  readonly chunkSectors: number;
  readonly sectors: number;

  constructor(stripes: readonly Segment[], chunkSectors: number) {
    this.stripes = stripes;
    this.chunkSectors = chunkSectors;
    this.sectors = stripes.length * stripes[0]!.sectors;
  }

  /** Sectors of a row: one chunk on each stripe. */
  get rowSectors(): number {
    return this.stripes.length * this.chunkSectors;
  }

  find(sector: number): Segment {
    const chunk = Math.floor(sector / this.chunkSectors);
    const { below, start } = this.stripes[chunk % this.stripes.length]!;
    const row = Math.floor(chunk / this.stripes.length);
    return {
      begin: chunk * this.chunkSectors,
      sectors: this.chunkSectors,
      below,
      start: start + row * this.chunkSectors,
    };
  }
}
