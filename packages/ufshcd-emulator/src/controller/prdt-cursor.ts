import { type Dma, Ocs, PRDT_ENTRY_BYTES, prdtAddress, prdtBytes } from "../ufshci/index.js";

/** How many entries are fetched at a time: more than Linux sends in one command, mostly. */
const WINDOW_ENTRIES = 64;

/** What a command's data is moved with: the table that lists the pieces of host memory. */
export type DataTable = Pick<PrdtCursor, "open" | "gather" | "scatter" | "takeView">;

/** Moves data between one piece of memory here and the pieces of host memory that a PRDT lists, in their order. */
export class PrdtCursor {
  readonly #dma: Dma;
  readonly #window = new Uint8Array(WINDOW_ENTRIES * PRDT_ENTRY_BYTES);
  #base = 0;
  #entries = 0;
  #windowStart = -1;
  /** The entry data comes from or goes to next, and how much of it was used. */
  #index = 0;
  #used = 0;
  #address = 0;

  constructor(dma: Dma) {
    this.#dma = dma;
  }

  /**
   * Takes the table at `base`, and checks as many entries as `neededBytes` take.
   *
   * @returns SUCCESS, INVALID_PRDT_ATTR for an entry that is not allowed or not there, MISMATCH_DATA_BUF_SIZE when the
   * whole table describes fewer bytes
   */
  open(base: number, entries: number, neededBytes: number): Ocs {
    this.#base = base;
    this.#entries = entries;
    this.#windowStart = -1;
    let bytes = 0;
    for (let index = 0; index < entries && bytes < neededBytes; index++) {
      const at = this.#load(index);
      if (at < 0 || !isAllowed(this.#window, at)) return Ocs.INVALID_PRDT_ATTR;
      bytes += prdtBytes(this.#window, at);
    }
    this.#index = 0;
    this.#used = 0;
    return bytes < neededBytes ? Ocs.MISMATCH_DATA_BUF_SIZE : Ocs.SUCCESS;
  }

  /** Fills `into` from host memory. False when the table ends, or leaves memory, before. */
  gather(into: Uint8Array): boolean {
    let done = 0;
    while (done < into.length) {
      const bytes = this.#next(into.length - done);
      if (bytes === 0) return false;
      const piece = bytes === into.length ? into : into.subarray(done, done + bytes);
      if (!this.#dma.read(this.#address, piece)) return false;
      this.#advance(bytes);
      done += bytes;
    }
    return true;
  }

  /** Puts all of `from` into host memory. False when the table ends, or leaves memory, before. */
  scatter(from: Uint8Array): boolean {
    let done = 0;
    while (done < from.length) {
      const bytes = this.#next(from.length - done);
      if (bytes === 0) return false;
      const piece = bytes === from.length ? from : from.subarray(done, done + bytes);
      if (!this.#dma.write(this.#address, piece)) return false;
      this.#advance(bytes);
      done += bytes;
    }
    return true;
  }

  /** The next `bytes` bytes as host memory itself, to read, which then count as used; undefined when they are in pieces. */
  takeView(bytes: number): Uint8Array | undefined {
    if (this.#dma.view === undefined || this.#next(bytes) !== bytes) return undefined;
    const view = this.#dma.view(this.#address, bytes);
    if (view !== undefined) this.#advance(bytes);
    return view;
  }

  /** How many bytes, at most `wanted`, follow in one piece at `#address`; 0: the table ends here. */
  #next(wanted: number): number {
    const at = this.#index < this.#entries ? this.#load(this.#index) : -1;
    if (at < 0) return 0;
    this.#address = prdtAddress(this.#window, at) + this.#used;
    return Math.min(wanted, prdtBytes(this.#window, at) - this.#used);
  }

  #advance(bytes: number): void {
    this.#used += bytes;
    if (this.#used < prdtBytes(this.#window, this.#load(this.#index))) return;
    this.#used = 0;
    this.#index++;
  }

  /** Where entry `index` is in the window, which is fetched when it is not there; -1: it lies outside memory. */
  #load(index: number): number {
    const start = index - (index % WINDOW_ENTRIES);
    if (start !== this.#windowStart) {
      const count = Math.min(WINDOW_ENTRIES, this.#entries - start);
      const window = count === WINDOW_ENTRIES ? this.#window : this.#window.subarray(0, count * PRDT_ENTRY_BYTES);
      if (!this.#dma.read(this.#base + start * PRDT_ENTRY_BYTES, window)) return -1;
      this.#windowStart = start;
    }
    return (index - start) * PRDT_ENTRY_BYTES;
  }
}

/** Address and length count in dwords. */
function isAllowed(window: Uint8Array, at: number): boolean {
  return (window[at]! & 3) === 0 && (prdtBytes(window, at) & 3) === 0;
}
