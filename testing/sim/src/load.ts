import { type Bio, BlkStatus, opOf, ReqFlag, ReqOp, SECTOR_BYTES, statusName } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import { ContentKind, fillSector, parseSector } from "./content.js";
import type { Region } from "./region.js";
import type { FlushSnapshot } from "./sector-model.js";
import { Violation } from "./violation.js";
import type { World } from "./world.js";

const MAX_UNITS = 24;
const SECTOR_WORDS = SECTOR_BYTES / 4;

const FLUSH = ReqOp.WRITE | ReqFlag.PREFLUSH;

/** The kinds of I/O. */
const operations = [
  ReqOp.READ,
  ReqOp.WRITE,
  ReqOp.WRITE | ReqFlag.FUA,
  FLUSH,
  FLUSH | ReqFlag.FUA,
  ReqOp.DISCARD,
  ReqOp.WRITE_ZEROES,
];

interface Io {
  readonly bio: Bio;
  readonly region: Region;
  readonly sector: number;
  readonly sectors: number;
  /** What was there for it to flush; null for what flushes nothing first. */
  readonly flush: FlushSnapshot | null;
  /** Id of the write, zeroing or discard; 0 for reads and flushes without data. */
  readonly id: number;
  /** Power cuts of the disk before it. */
  readonly cuts: number;
  readonly words: Uint32Array;
}

/** Random I/O on the regions of a world, checked against their models as it ends. */
export class Load {
  readonly #world: World;
  readonly #random: SeededRandom;
  /** Each operation as often as it is wanted: some are off in each run, and others common (swarm testing). */
  readonly #mix: number[];
  readonly #depth: number;
  /** I/O that has been submitted and has not ended. */
  readonly #outstanding = new Set<Io>();
  /** Failures are only for times when something was made to fail. */
  failuresExpected = false;
  ended = 0;
  failed = 0;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
    this.#mix = operations.flatMap((opf) => new Array<number>(random.pick([0, 1, 1, 4])).fill(opf));
    this.#mix.push(ReqOp.READ, ReqOp.WRITE);
    this.#depth = random.pick([1, 4, 16, 64]);
  }

  get outstanding(): number {
    return this.#outstanding.size;
  }

  get isFull(): boolean {
    return this.#outstanding.size >= this.#depth;
  }

  /** Submits one I/O, or a run of neighbours under a plug. Nothing may come of it: places are busy, pools are empty. */
  submitSome(): void {
    const region = this.#random.pick(this.#world.regions);
    if (!this.#random.oneIn(4)) return this.#submitOne(region, this.#random.below(region.sectors), MAX_UNITS);
    const { layer } = this.#world;
    layer.startPlug();
    let sector = this.#random.below(region.sectors);
    for (let count = this.#random.below(6); count >= 0; count--) {
      const units = 1 + this.#random.below(4);
      this.#submitOne(region, sector, units);
      sector += units * region.unitSectors;
    }
    layer.finishPlug();
  }

  /** Makes what a region's disk has acknowledged durable. */
  flush(region: Region): void {
    this.#submit(region, FLUSH, 0, 0);
  }

  /** Reads all of a region, in pieces; call it when all is quiet. */
  readAll(region: Region): void {
    const step = MAX_UNITS * region.unitSectors;
    for (let sector = 0; sector < region.sectors; sector += step) {
      this.#submit(region, ReqOp.READ, sector, Math.min(step, region.sectors - sector));
    }
  }

  #submitOne(region: Region, wantedSector: number, maxUnits: number): void {
    const { unitSectors } = region;
    const sector = wantedSector - (wantedSector % unitSectors);
    if (sector >= region.sectors) return;
    const units = Math.min(1 + this.#random.below(maxUnits), (region.sectors - sector) / unitSectors);
    const opf = this.#random.pick(this.#mix);
    if (!isSupported(region, opOf(opf))) return;
    // Some carry data, as those with FUA do.
    const isFlush = opf === FLUSH && !this.#random.oneIn(3);
    if (!isFlush && !region.isFree(sector, units * unitSectors, opOf(opf) !== ReqOp.READ)) return;
    this.#submit(region, opf, sector, isFlush ? 0 : units * unitSectors);
  }

  #submit(region: Region, opf: number, sector: number, sectors: number): void {
    const bio = this.#world.layer.bioSet.tryAlloc(region.volume.bdev, opf);
    if (bio === null) return;
    const op = opOf(opf);
    const hasData = sectors > 0 && op <= ReqOp.WRITE;
    const io: Io = {
      bio,
      region,
      sector,
      sectors,
      // Before its own data is on its way.
      flush: (opf & ReqFlag.PREFLUSH) !== 0 ? region.model.beginFlush() : null,
      id: op === ReqOp.READ || sectors === 0 ? 0 : region.model.begin(contentKindOf(region, op), sector, sectors),
      cuts: region.model.cuts,
      words: new Uint32Array(hasData ? sectors * SECTOR_WORDS : 0),
    };
    bio.sector = sector;
    if (hasData) this.#addData(io, op);
    else bio.bytes = sectors * SECTOR_BYTES;
    this.#start(io, op);
  }

  #addData({ bio, region, sector, sectors, id, words }: Io, op: ReqOp): void {
    if (op === ReqOp.WRITE) for (let at = 0; at < sectors; at++) fillSector(words, at * SECTOR_WORDS, id, sector + at);
    this.#addMemory(bio, new Uint8Array(words.buffer), region.unitSectors * SECTOR_BYTES);
    this.#world.withoutAllocationFaults(() => region.volume.attachContext(bio));
  }

  #start(io: Io, op: ReqOp): void {
    const { bio, region, sector, sectors } = io;
    for (let at = sector; at < sector + sectors; at++) region.busy[at] = op === ReqOp.READ ? region.busy[at]! + 1 : -1;
    bio.onEndIo = () => this.#onEnd(io);
    this.#outstanding.add(io);
    this.#world.layer.submitBio(bio);
  }

  #addMemory(bio: Bio, memory: Uint8Array, unitBytes: number): void {
    const vecBytes = this.#random.pick([1, 1, 2, 64]) * unitBytes;
    for (let at = 0; at < memory.length; at += vecBytes) {
      bio.addBuffer(memory, at, Math.min(vecBytes, memory.length - at));
    }
  }

  #onEnd(io: Io): void {
    if (!this.#outstanding.delete(io)) throw new Violation("a bio ended twice");
    const { bio, region, sector, sectors } = io;
    const { status, opf } = bio;
    this.ended++;
    for (let at = sector; at < sector + sectors; at++)
      region.busy[at] = opOf(opf) === ReqOp.READ ? region.busy[at]! - 1 : 0;
    if (status !== BlkStatus.OK) {
      this.failed++;
      if (!this.failuresExpected) throw new Violation(`${describe(io)} ended with ${statusName(status)} for no reason`);
    }
    if (status === BlkStatus.OK && io.flush !== null) region.model.endFlush(io.flush);
    if (io.id !== 0) this.#writeEnded(io, status === BlkStatus.OK);
    else if (status === BlkStatus.OK && io.cuts === region.model.cuts) checkRead(io);
    bio.put();
  }

  #writeEnded({ region, id, sector, sectors, bio }: Io, ok: boolean): void {
    const durable = !region.limits.writeCache || (bio.opf & ReqFlag.FUA) !== 0;
    region.model.end(id, sector, sectors, ok, durable);
  }
}

/** Zeroing and discarding are not for every disk. */
function isSupported({ limits }: Region, op: ReqOp): boolean {
  if (op === ReqOp.DISCARD) return limits.maxDiscardSectors > 0;
  return op !== ReqOp.WRITE_ZEROES || limits.maxWriteZeroesSectors > 0;
}

function contentKindOf(region: Region, op: ReqOp): ContentKind {
  if (op === ReqOp.WRITE) return ContentKind.DATA;
  if (op === ReqOp.DISCARD || region.encrypted) return ContentKind.UNKNOWN;
  return ContentKind.ZEROES;
}

function checkRead(io: Io): void {
  const { region, sector, sectors, words } = io;
  for (let at = 0; at < sectors; at++) {
    const found = parseSector(words, at * SECTOR_WORDS, sector + at);
    if (region.model.found(sector + at, found)) continue;
    const where = `sector ${sector + at} of the region at ${region.startSector} of ${region.disk.gendisk.name}`;
    throw new Violation(`${where} holds ${found}, expected one of ${region.model.allowed(sector + at)}`);
  }
}

function describe({ region, sector, sectors, bio }: Io): string {
  return `op ${opOf(bio.opf)} of sectors ${sector}+${sectors} of the region at ${region.startSector}`;
}
