import { ContentKind, contentId, matches } from "./content.js";

/** A set of content ids for each sector. Nearly all have one member, and cost one number. */
class Possible {
  readonly #only: Uint32Array;
  /** Sectors with several. */
  readonly #many = new Map<number, number[]>();

  constructor(sectorCount: number, id: number) {
    this.#only = new Uint32Array(sectorCount).fill(id);
  }

  idsOf(sector: number): number[] {
    return this.#many.get(sector) ?? [this.#only[sector]!];
  }

  isOnly(sector: number, id: number): boolean {
    return this.#only[sector] === id && !this.#many.has(sector);
  }

  isAmbiguous(sector: number): boolean {
    return this.#many.has(sector);
  }

  set(sector: number, ids: number[]): void {
    this.#only[sector] = ids[0]!;
    if (ids.length > 1) this.#many.set(sector, ids);
    else this.#many.delete(sector);
  }

  setOnly(sector: number, id: number): void {
    this.#only[sector] = id;
    if (this.#many.size > 0) this.#many.delete(sector);
  }

  add(sector: number, id: number): void {
    const ids = this.idsOf(sector);
    if (!ids.includes(id)) this.set(sector, [...ids, id]);
  }

  allows(sector: number, found: number): boolean {
    const many = this.#many.get(sector);
    if (many === undefined) return matches(this.#only[sector]!, found);
    return many.some((id) => matches(id, found));
  }
}

/** What was known when a flush was submitted. */
export interface FlushSnapshot {
  /** Writes from this id on were submitted later. */
  readonly nextSequence: number;
  /** Power cuts before it. */
  readonly cuts: number;
  /** For each sector that was not known to be durable: what a read would have returned, or a write in flight left. */
  readonly ids: ReadonlyMap<number, number[]>;
}

/**
 * What a disk may hold, from what it has promised: for each sector what a read may return now, and what may be found
 * after a power cut. The load never has two writes of one sector, or a read beside a write, in flight at a time.
 */
export class SectorModel {
  readonly sectorCount: number;
  readonly #now: Possible;
  readonly #afterCut: Possible;
  /** Sectors in which the two differ, or may. */
  readonly #dirty = new Set<number>();
  /** The id of the write in flight in each sector, 0 for none. */
  readonly #inFlight: Uint32Array;
  /** Writes that were in flight when the power was cut. */
  readonly #crossed = new Set<number>();
  #sequence = 1;
  #cuts = 0;

  constructor(sectorCount: number, first: ContentKind) {
    this.sectorCount = sectorCount;
    const id = contentId(0, first);
    this.#now = new Possible(sectorCount, id);
    this.#afterCut = new Possible(sectorCount, id);
    this.#inFlight = new Uint32Array(sectorCount);
  }

  /** Power cuts so far: what was read across one says nothing about what is there now. */
  get cuts(): number {
    return this.#cuts;
  }

  /** A write, zeroing or discard is submitted; returns its id. */
  begin(kind: ContentKind, sector: number, sectors: number): number {
    const id = contentId(this.#sequence++, kind);
    for (let at = sector; at < sector + sectors; at++) {
      this.#afterCut.add(at, id);
      this.#dirty.add(at);
      this.#inFlight[at] = id;
    }
    return id;
  }

  /**
   * It has ended. A failed one may have happened, sector by sector; and so may one that ends well after a power cut: parts
   * of it may have been in the cache that was lost, before the others were written.
   */
  end(id: number, sector: number, sectors: number, succeeded: boolean, durable: boolean): void {
    const ok = !this.#crossed.delete(id) && succeeded;
    for (let at = sector; at < sector + sectors; at++) {
      this.#inFlight[at] = 0;
      if (ok) this.#now.setOnly(at, id);
      else this.#now.add(at, id);
      if (ok && durable) this.#becomesDurable(at, id);
      // Not only since `begin`: the power may have been cut while it was on its way.
      else this.#dirty.add(at);
    }
  }

  beginFlush(): FlushSnapshot {
    const ids = new Map<number, number[]>();
    for (const sector of this.#dirty) {
      const known = this.#now.idsOf(sector);
      ids.set(sector, this.#inFlight[sector] === 0 ? known : [...known, this.#inFlight[sector]!]);
    }
    return { nextSequence: this.#sequence, cuts: this.#cuts, ids };
  }

  /** The flush has ended well: what had been overwritten when it was submitted cannot come back, unless it has already. */
  endFlush({ nextSequence, cuts, ids }: FlushSnapshot): void {
    if (cuts !== this.#cuts) return;
    for (const [sector, known] of ids) {
      const left = this.#afterCut.idsOf(sector).filter((id) => id >= nextSequence * 4 || known.includes(id));
      this.#afterCut.set(sector, left);
      if (left.length === 1 && this.#now.isOnly(sector, left[0]!)) this.#dirty.delete(sector);
    }
  }

  /** The power of some sectors was cut: what may have survived is what may be read now. */
  powerCut(hit: ReadonlySet<number>): void {
    for (const sector of this.#dirty) {
      if (!hit.has(sector)) continue;
      this.#now.set(sector, this.#afterCut.idsOf(sector));
      this.#dirty.delete(sector);
    }
    for (const sector of hit) if (this.#inFlight[sector] !== 0) this.#crossed.add(this.#inFlight[sector]!);
    this.#cuts++;
  }

  /** Everything in a range is to be forgotten, for good. */
  forget(sector: number, sectors: number): void {
    const id = this.begin(ContentKind.UNKNOWN, sector, sectors);
    this.end(id, sector, sectors, true, true);
  }

  /** Whether a read that found this may have; what it found is then known. */
  found(sector: number, found: number): boolean {
    if (!this.#now.isAmbiguous(sector)) return this.#now.allows(sector, found);
    const id = this.#now.idsOf(sector).find((candidate) => matches(candidate, found));
    if (id === undefined) return false;
    this.#now.setOnly(sector, id);
    if (!this.#dirty.has(sector)) this.#afterCut.setOnly(sector, id);
    return true;
  }

  /** What a read of a sector may return, for messages. */
  allowed(sector: number): string {
    return this.#now.idsOf(sector).join(", ");
  }

  /** The id of what a sector holds, when that is certain and in no write's hands; else null. */
  certainId(sector: number): number | null {
    return this.#now.isAmbiguous(sector) || this.#inFlight[sector] !== 0 ? null : this.#now.idsOf(sector)[0]!;
  }

  #becomesDurable(sector: number, id: number): void {
    this.#afterCut.setOnly(sector, id);
    this.#dirty.delete(sector);
  }
}
