/** Memory is taken and given back in chunks of this size: large enough that usual bios touch one or two. */
const CHUNK_BYTES = 65536;

/**
 * Memory that reads as zeroes until it is written, and takes space only where it was.
 *
 * @kernel drivers/block/brd.c: brd_lookup_page, brd_insert_page
 */
export class SparseMemory {
  #chunks: (Uint8Array | undefined)[] = [];
  #chunkCount = 0;

  /** Bytes of memory in use, a multiple of 65536. */
  get allocatedBytes(): number {
    return this.#chunkCount * CHUNK_BYTES;
  }

  /** Copies `bytes` bytes from `byteOffset` of this memory to `offset` of `into`. */
  read(byteOffset: number, into: Uint8Array, offset: number, bytes: number): void {
    let done = 0;
    while (done < bytes) {
      const at = (byteOffset + done) % CHUNK_BYTES;
      const count = Math.min(bytes - done, CHUNK_BYTES - at);
      const chunk = this.#chunks[(byteOffset + done - at) / CHUNK_BYTES];
      if (chunk === undefined) into.fill(0, offset + done, offset + done + count);
      else copy(chunk, at, into, offset + done, count);
      done += count;
    }
  }

  /** Copies `bytes` bytes from `offset` of `from` to `byteOffset` of this memory. False when there is no memory left. */
  write(byteOffset: number, from: Uint8Array, offset: number, bytes: number): boolean {
    let done = 0;
    while (done < bytes) {
      const at = (byteOffset + done) % CHUNK_BYTES;
      const count = Math.min(bytes - done, CHUNK_BYTES - at);
      const chunk = this.#chunkForWrite((byteOffset + done - at) / CHUNK_BYTES);
      if (chunk === null) return false;
      copy(from, offset + done, chunk, at, count);
      done += count;
    }
    return true;
  }

  /** Makes a range read as zeroes and gives back the chunks that lie in it, unless `keep` says that they stay. */
  zero(byteOffset: number, bytes: number, keep = false): void {
    let done = 0;
    while (done < bytes) {
      const at = (byteOffset + done) % CHUNK_BYTES;
      const count = Math.min(bytes - done, CHUNK_BYTES - at);
      const index = (byteOffset + done - at) / CHUNK_BYTES;
      if (count === CHUNK_BYTES && !keep) this.#free(index);
      else this.#chunks[index]?.fill(0, at, at + count);
      done += count;
    }
  }

  /** Gives back all memory. */
  clear(): void {
    this.#chunks = [];
    this.#chunkCount = 0;
  }

  #chunkForWrite(index: number): Uint8Array | null {
    const chunk = this.#chunks[index];
    if (chunk !== undefined) return chunk;
    const added = tryAllocate();
    if (added === null) return null;
    this.#chunks[index] = added;
    this.#chunkCount++;
    return added;
  }

  #free(index: number): void {
    if (this.#chunks[index] === undefined) return;
    this.#chunks[index] = undefined;
    this.#chunkCount--;
  }
}

function tryAllocate(): Uint8Array | null {
  try {
    return new Uint8Array(CHUNK_BYTES);
  } catch {
    return null; // a RangeError: the only way the runtime says so
  }
}

/** One copy; a view is made only when less than all of `from` is wanted. */
function copy(from: Uint8Array, offset: number, to: Uint8Array, at: number, bytes: number): void {
  to.set(bytes === from.length ? from : from.subarray(offset, offset + bytes), at);
}
