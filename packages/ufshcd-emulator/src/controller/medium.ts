/** Called once when an operation on a medium has ended, within the call or later; `ok` false means that it failed. */
export type MediumDone = (ok: boolean) => void;

/**
 * What a logical unit keeps its blocks on. Offsets and lengths are multiples of the logical block (4096 bytes) and lie
 * inside the medium.
 */
export interface Medium {
  /** Size, 4096 or more; what is more than a multiple of 4096 is not used. */
  readonly bytes: number;
  /** Reads all of `into`, which belongs to the medium until `done`. */
  read(offset: number, into: Uint8Array, done: MediumDone): void;
  /** Writes all of `from`, which belongs to the medium until `done`. It may stay in a cache. */
  write(offset: number, from: Uint8Array, done: MediumDone): void;
  /** Makes every write that ended before durable. */
  flush(done: MediumDone): void;
  /** Makes the range read as zeroes. */
  discard(offset: number, bytes: number, done: MediumDone): void;
  /**
   * The medium's own memory, when it has some: the crypto engine then reads and writes there without a copy. A view is
   * used only until the call that asked for it returns.
   */
  view?(offset: number, bytes: number): Uint8Array | undefined;
}

/** A medium in memory. Whoever made the bytes may look at them at any time: they are what is on the disk. */
export class MemoryMedium implements Medium {
  readonly data: Uint8Array;

  /** @param data - the bytes to use, or how many to make */
  constructor(data: Uint8Array | number) {
    this.data = typeof data === "number" ? new Uint8Array(data) : data;
  }

  get bytes(): number {
    return this.data.length;
  }

  view(offset: number, bytes: number): Uint8Array {
    return this.data.subarray(offset, offset + bytes);
  }

  read(offset: number, into: Uint8Array, done: MediumDone): void {
    into.set(this.view(offset, into.length));
    done(true);
  }

  write(offset: number, from: Uint8Array, done: MediumDone): void {
    this.data.set(from, offset);
    done(true);
  }

  flush(done: MediumDone): void {
    done(true);
  }

  discard(offset: number, bytes: number, done: MediumDone): void {
    this.data.fill(0, offset, offset + bytes);
    done(true);
  }
}
