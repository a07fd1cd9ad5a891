import { BlkError } from "@inlinecrypt/blk-core";

/** A write as its submitter sees it, from submission to end. */
export class RecordedWrite {
  readonly firstBlock: number;
  readonly blockCount: number;
  /** A copy. */
  readonly data: Uint8Array;
  /** When it was submitted, and when it ended. */
  readonly begun: number;
  ended: number = Number.POSITIVE_INFINITY;
  /** It ended well: a read sees it, or something later. */
  acknowledged = false;
  /** A power cut leaves it, or something later. */
  durable = false;
  /** It was in flight at a power cut. */
  crossedCut = false;

  constructor(firstBlock: number, blockCount: number, data: Uint8Array, begun: number) {
    this.firstBlock = firstBlock;
    this.blockCount = blockCount;
    this.data = data;
    this.begun = begun;
  }
}

/**
 * What a device may hold, by what it has promised: the oracle of a power cut test. Tell it of every write and flush,
 * when it is submitted and when it ends; it knows nothing of how the device works.
 *
 * A write is out of the question once another one, promised to be there, was submitted after its end. Everything else
 * that was ever written is allowed: failed writes, writes in flight, and overlapping ones in any order. A write that is
 * in flight at a power cut promises nothing, however it ends: parts of it may have been in the cache that was lost.
 */
export class WriteHistory {
  readonly blockBytes: number;
  readonly blockCount: number;
  /** What may be in each block that was written since the start; others hold `#start`. */
  readonly #blocks = new Map<number, RecordedWrite[]>();
  readonly #start: Uint8Array;
  /** Writes that ended well and wait for a flush. */
  #acknowledged = new Set<RecordedWrite>();
  #now = 0;

  /**
   * `start` is what the device holds now, all of it; it is copied. `blockBytes` is at most what the device never tears.
   *
   * @throws BlkError EINVAL when a block is not whole bytes, or `start` not whole blocks.
   */
  constructor(start: Uint8Array, blockBytes: number) {
    if (!Number.isInteger(blockBytes) || blockBytes < 1) refuse(`blockBytes is ${blockBytes}, expected 1 or more`);
    if (start.length % blockBytes !== 0) refuse(`${start.length} bytes are no multiple of the block of ${blockBytes}`);
    this.#start = start.slice();
    this.blockBytes = blockBytes;
    this.blockCount = start.length / blockBytes;
  }

  /** A write of `data` is being submitted. @throws BlkError EINVAL unless it covers whole blocks of the device. */
  beginWrite(byteOffset: number, data: Uint8Array): RecordedWrite {
    const firstBlock = byteOffset / this.blockBytes;
    const blockCount = data.length / this.blockBytes;
    const fits = Number.isInteger(firstBlock) && Number.isInteger(blockCount) && firstBlock >= 0;
    if (!fits || firstBlock + blockCount > this.blockCount) {
      refuse(`a write of ${data.length} bytes at ${byteOffset}, expected whole blocks of ${this.blockBytes} inside`);
    }
    const write = new RecordedWrite(firstBlock, blockCount, data.slice(), ++this.#now);
    for (let block = firstBlock; block < firstBlock + blockCount; block++) this.#writesOf(block).push(write);
    return write;
  }

  /** A write has ended: well or not, and durably (FUA, or a device without a write cache) or not. */
  endWrite(write: RecordedWrite, ok: boolean, durable = false): void {
    write.ended = ++this.#now;
    write.acknowledged = ok && !write.crossedCut;
    if (!write.acknowledged) return;
    if (durable) this.#makeDurable(write);
    else this.#acknowledged.add(write);
  }

  /** A flush is being submitted: hand the result to `endFlush` if the flush ends well. */
  beginFlush(): number {
    return ++this.#now;
  }

  /** A flush has ended well: everything that had ended when it was submitted is durable. */
  endFlush(begun: number): void {
    for (const write of this.#acknowledged) if (write.ended < begun) this.#makeDurable(write);
  }

  /** What a block may hold after a power cut now. */
  allowedAfterCut(block: number): Uint8Array[] {
    return this.#allowed(block, (write) => write.durable);
  }

  /** What a read of a block may return if it is submitted now. */
  allowedToRead(block: number): Uint8Array[] {
    return this.#allowed(block, (write) => write.acknowledged);
  }

  /**
   * Compares all of a device, as it was found after a power cut, with what is allowed: the blocks that hold anything else,
   * in order. What was found is what the device holds from now on, or a write that has not ended by now.
   *
   * @throws BlkError EINVAL unless it is all of the device.
   */
  settle(found: Uint8Array): number[] {
    if (found.length !== this.#start.length) refuse(`${found.length} bytes were found, expected ${this.#start.length}`);
    const violations: number[] = [];
    for (let block = 0; block < this.blockCount; block++) {
      const contents = this.#slice(found, block);
      if (!this.allowedAfterCut(block).some((allowed) => sameBytes(allowed, contents))) violations.push(block);
    }
    this.#acknowledged.clear();
    this.#start.set(found);
    this.#forgetEndedWrites();
    return violations;
  }

  #forgetEndedWrites(): void {
    for (const [block, writes] of this.#blocks) {
      const inFlight = writes.filter((write) => write.ended === Number.POSITIVE_INFINITY);
      for (const write of inFlight) write.crossedCut = true;
      if (inFlight.length === 0) this.#blocks.delete(block);
      else this.#blocks.set(block, [this.#startOf(block), ...inFlight]);
    }
  }

  #writesOf(block: number): RecordedWrite[] {
    let writes = this.#blocks.get(block);
    if (writes === undefined) {
      writes = [this.#startOf(block)];
      this.#blocks.set(block, writes);
    }
    return writes;
  }

  #startOf(block: number): RecordedWrite {
    const start = new RecordedWrite(block, 1, this.#slice(this.#start, block), 0);
    start.ended = 0;
    start.acknowledged = true;
    start.durable = true;
    return start;
  }

  #makeDurable(write: RecordedWrite): void {
    write.durable = true;
    this.#acknowledged.delete(write);
    for (let block = write.firstBlock; block < write.firstBlock + write.blockCount; block++) {
      this.#blocks.set(
        block,
        this.#writesOf(block).filter((other) => other.ended >= write.begun),
      );
    }
  }

  #allowed(block: number, isPromised: (write: RecordedWrite) => boolean): Uint8Array[] {
    const writes = this.#blocks.get(block) ?? [this.#startOf(block)];
    const promised = writes.filter(isPromised);
    return writes
      .filter((write) => !promised.some((later) => write.ended < later.begun))
      .map((write) => this.#slice(write.data, block - write.firstBlock));
  }

  #slice(data: Uint8Array, block: number): Uint8Array {
    return data.subarray(block * this.blockBytes, (block + 1) * this.blockBytes);
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return true;
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "WriteHistory", message);
}
