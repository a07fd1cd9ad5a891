/** Bytes of a sample: what fits on a screen, twice. */
export const SAMPLE_BYTES = 64;

/** With fewer bytes that are not zero, there is not much to see. */
const BYTES_WORTH_SHOWING = 16;

/** Nobody waits for a better place than those before it. */
const LOOK_BYTES = 16 * 2 ** 20;

/** Looks through passing data for a place worth showing: the first that is not mostly zeroes. */
export class SampleFinder {
  #byteOffset: number | null = null;

  /** Where to look: the start when there is nothing better. */
  get byteOffset(): number {
    return this.#byteOffset ?? 0;
  }

  /** Looks at one more chunk, which starts at `chunkOffset` of the whole, a multiple of `SAMPLE_BYTES`. */
  look(chunk: Uint8Array, chunkOffset: number): void {
    if (this.#byteOffset !== null || chunkOffset >= LOOK_BYTES) return;
    for (let at = 0; at < chunk.length; at += SAMPLE_BYTES) {
      if (countNonZero(chunk, at) < BYTES_WORTH_SHOWING) continue;
      this.#byteOffset = chunkOffset + at;
      return;
    }
  }
}

function countNonZero(chunk: Uint8Array, from: number): number {
  const to = Math.min(from + SAMPLE_BYTES, chunk.length);
  let count = 0;
  for (let at = from; at < to; at++) if (chunk[at] !== 0) count++;
  return count;
}
