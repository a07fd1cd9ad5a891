/** The memory of a vector without memory. */
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/**
 * A run of memory in a bio. `data` stands for the kernel's page: `offset` counts from its start, and the rules about
 * aligned segments are about this offset, not about where the view lies in its ArrayBuffer.
 *
 * @kernel include/linux/bvec.h: bio_vec
 */
export class BioVec {
  data: Uint8Array = NO_BYTES;
  offset = 0;
  bytes = 0;

  set(data: Uint8Array, offset: number, bytes: number): void {
    this.data = data;
    this.offset = offset;
    this.bytes = bytes;
  }

  /** Drops the memory, so that a pooled bio keeps nobody's buffer alive. */
  clear(): void {
    this.set(NO_BYTES, 0, 0);
  }
}

/** A position in a bio's data: where it is on the device, what is left, and where that starts in the vectors. */
export interface BvecPosition {
  sector: number;
  bytes: number;
  vecIndex: number;
  vecDone: number;
}

/**
 * A saved position; `Bio` itself holds the current one.
 *
 * @kernel include/linux/bvec.h: bvec_iter
 */
export class BvecIter implements BvecPosition {
  sector = 0;
  bytes = 0;
  vecIndex = 0;
  vecDone = 0;

  save(from: BvecPosition): void {
    this.sector = from.sector;
    this.bytes = from.bytes;
    this.vecIndex = from.vecIndex;
    this.vecDone = from.vecDone;
  }
}

/** Moves `at` forward over `bytes`, at most all that is left. @kernel include/linux/bvec.h: bvec_iter_advance */
export function bvecAdvance(vecs: readonly BioVec[], at: BvecPosition, bytes: number): void {
  at.bytes -= bytes;
  let done = at.vecDone + bytes;
  let index = at.vecIndex;
  while (done > 0 && done >= vecs[index]!.bytes) {
    done -= vecs[index]!.bytes;
    index++;
  }
  at.vecIndex = index;
  at.vecDone = done;
}
