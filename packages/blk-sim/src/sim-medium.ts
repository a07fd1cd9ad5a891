import { BlkError, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "./seeded-random.js";

/** Largest medium: it lives in memory, twice. */
const MAX_BYTES = 2 ** 32;

export interface SimMediumOptions {
  /** Size, a multiple of `blockBytes`, at most 4 GiB. The operating system backs only what is written. */
  bytes: number;
  /**
   * What is written whole or not at all when the power goes: a power of two, 512 or more.
   *
   * @default 512
   */
  blockBytes?: number;
  /**
   * Most bytes in the volatile cache; when there are more, the oldest go to the medium.
   *
   * @default 4194304
   */
  cacheBytes?: number;
}

/** What became of the writes that were not durable when the power went. */
export interface PowerCutOutcome {
  kept: number;
  lost: number;
  /** Writes of which some blocks are on the medium and some are not. */
  torn: number;
}

/** A write in the cache: whole blocks as they are after it. */
class CachedWrite {
  next: CachedWrite | null = null;
  readonly sequence: number;
  readonly byteOffset: number;
  readonly data: Uint8Array;

  constructor(sequence: number, byteOffset: number, data: Uint8Array) {
    this.sequence = sequence;
    this.byteOffset = byteOffset;
    this.data = data;
  }
}

/**
 * Platters or flash behind a volatile cache, which remembers every write in it: a power cut may keep or lose each of
 * their blocks, whatever the order of the writes. The medium outlives the disk it is in.
 */
export class SimMedium {
  readonly bytes: number;
  readonly blockBytes: number;
  readonly cacheBytes: number;
  /** What a read returns: the medium under the cache. */
  readonly #current: Uint8Array;
  readonly #durable: Uint8Array;
  /** Of each block, the last write that is on the medium: an older one, still cached, must not undo it. */
  readonly #durableSequence: Float64Array;
  #sequence = 0;
  #oldest: CachedWrite | null = null;
  #newest: CachedWrite | null = null;
  #cachedBytes = 0;

  /** @throws BlkError EINVAL naming the size that makes no sense. */
  constructor(options: SimMediumOptions) {
    const { bytes, blockBytes = SECTOR_BYTES, cacheBytes = 4 * 2 ** 20 } = options;
    checkSizes(bytes, blockBytes, cacheBytes);
    this.bytes = bytes;
    this.blockBytes = blockBytes;
    this.cacheBytes = cacheBytes;
    this.#current = new Uint8Array(bytes);
    this.#durable = new Uint8Array(bytes);
    this.#durableSequence = new Float64Array(bytes / blockBytes);
  }

  /** Bytes in the cache: every cached write counts, also where they overlap. */
  get cachedBytes(): number {
    return this.#cachedBytes;
  }

  /** Reads as the device does, through the cache. */
  read(byteOffset: number, into: Uint8Array): void {
    into.set(this.#current.subarray(byteOffset, byteOffset + into.length));
  }

  /**
   * Reads what would be there if the cache were lost. Any offset and length inside the medium.
   *
   * @throws BlkError EINVAL outside the medium.
   */
  readDurable(byteOffset: number, into: Uint8Array): void {
    if (!(byteOffset >= 0 && byteOffset + into.length <= this.bytes)) {
      const range = `bytes ${byteOffset} to ${byteOffset + into.length}`;
      throw new BlkError("EINVAL", "SimMedium", `${range} lie outside the medium of ${this.bytes}`);
    }
    into.set(this.#durable.subarray(byteOffset, byteOffset + into.length));
  }

  /** Writes to the cache, or through it. */
  write(byteOffset: number, data: Uint8Array, durable: boolean): void {
    this.#current.set(data, byteOffset);
    this.#written(byteOffset, data.length, durable);
  }

  /** Makes a range read as zeroes, in the cache or through it. */
  zero(byteOffset: number, bytes: number, durable: boolean): void {
    this.#current.fill(0, byteOffset, byteOffset + bytes);
    this.#written(byteOffset, bytes, durable);
  }

  /** A write that fails half-way: each block, at random, is written or not. */
  writeTorn(byteOffset: number, data: Uint8Array, durable: boolean, random: SeededRandom): void {
    for (let done = 0, bytes = 0; done < data.length; done += bytes) {
      const at = byteOffset + done;
      bytes = Math.min(this.blockBytes - (at % this.blockBytes), data.length - done);
      if (random.oneIn(2)) this.write(at, data.subarray(done, done + bytes), durable);
    }
  }

  /** The moment now, for `flush`. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Makes durable what was written up to a moment, and nothing that came after it. */
  flush(sequence: number): void {
    while (this.#oldest !== null && this.#oldest.sequence <= sequence) this.#destageOldest();
  }

  /**
   * Loses the cache: each cached write is kept, lost or torn, at random and independently of the others. In a block that
   * several of them cover, the latest that is kept wins.
   */
  powerCut(random: SeededRandom): PowerCutOutcome {
    const outcome = { kept: 0, lost: 0, torn: 0 };
    for (let write = this.#oldest; write !== null; write = write.next) {
      const blocks = write.data.length / this.blockBytes;
      const kept = this.#keepSome(write, random);
      if (kept === blocks) outcome.kept++;
      else if (kept === 0) outcome.lost++;
      else outcome.torn++;
    }
    for (let write = this.#oldest; write !== null; write = write.next) {
      const end = write.byteOffset + write.data.length;
      this.#current.set(this.#durable.subarray(write.byteOffset, end), write.byteOffset);
    }
    this.#oldest = null;
    this.#newest = null;
    this.#cachedBytes = 0;
    return outcome;
  }

  /** How many blocks of a cached write reach the medium. */
  #keepSome(write: CachedWrite, random: SeededRandom): number {
    const fate = random.pick(["kept", "lost", "torn"] as const);
    let kept = 0;
    for (let done = 0; done < write.data.length; done += this.blockBytes) {
      if (fate === "lost" || (fate === "torn" && random.oneIn(2))) continue;
      this.#store(write, done);
      kept++;
    }
    return kept;
  }

  /** `#current` has a change; the cache or the medium gets the blocks it lies in. */
  #written(byteOffset: number, bytes: number, durable: boolean): void {
    const start = byteOffset - (byteOffset % this.blockBytes);
    const end = Math.ceil((byteOffset + bytes) / this.blockBytes) * this.blockBytes;
    this.#sequence++;
    if (durable) {
      this.#durable.set(this.#current.subarray(start, end), start);
      this.#durableSequence.fill(this.#sequence, start / this.blockBytes, end / this.blockBytes);
    } else {
      this.#append(new CachedWrite(this.#sequence, start, this.#current.slice(start, end)));
    }
  }

  #append(write: CachedWrite): void {
    if (this.#newest === null) this.#oldest = write;
    else this.#newest.next = write;
    this.#newest = write;
    this.#cachedBytes += write.data.length;
    while (this.#cachedBytes > this.cacheBytes) this.#destageOldest();
  }

  #destageOldest(): void {
    const write = this.#oldest!;
    this.#oldest = write.next;
    if (this.#oldest === null) this.#newest = null;
    this.#cachedBytes -= write.data.length;
    for (let done = 0; done < write.data.length; done += this.blockBytes) this.#store(write, done);
  }

  /** Puts one block of a write onto the medium, unless a later write is there already. */
  #store(write: CachedWrite, done: number): void {
    const at = write.byteOffset + done;
    const block = at / this.blockBytes;
    if (this.#durableSequence[block]! > write.sequence) return;
    this.#durable.set(write.data.subarray(done, done + this.blockBytes), at);
    this.#durableSequence[block] = write.sequence;
  }
}

function checkSizes(bytes: number, blockBytes: number, cacheBytes: number): void {
  if (!(blockBytes >= SECTOR_BYTES && Number.isInteger(Math.log2(blockBytes)))) {
    refuse(`blockBytes is ${blockBytes}, expected a power of two, 512 or more`);
  }
  if (!(bytes >= 0 && bytes <= MAX_BYTES && bytes % blockBytes === 0)) {
    refuse(`${bytes} bytes, expected a multiple of ${blockBytes} up to ${MAX_BYTES}`);
  }
  if (!(cacheBytes >= 0)) refuse(`cacheBytes is ${cacheBytes}, expected 0 or more`);
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "SimMedium", message);
}
