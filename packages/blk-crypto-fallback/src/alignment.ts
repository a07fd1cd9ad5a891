import type { Bio, BvecPosition } from "@inlinecrypt/blk-core";

/** A page as the kernel's bios are made of. */
const PAGE_BYTES = 4096;

type Vectored = Pick<Bio, "vecs">;

/**
 * Whether a bio's memory can be en- and decrypted: all of it is whole data units, and so is each segment. A data unit larger
 * than a page may be spread over segments of whole pages, since larger ones are not to be had everywhere.
 */
export function isAligned(bio: Bio, dataUnitBytes: number): boolean {
  return bio.bytes % dataUnitBytes === 0 && segmentsAligned(bio, bio, Math.min(dataUnitBytes, PAGE_BYTES));
}

/** Whether a data unit of what is left at a position, of memory that is aligned, lies in several segments. */
export function hasSpreadUnits(bio: Vectored, at: BvecPosition, dataUnitBytes: number): boolean {
  return dataUnitBytes > PAGE_BYTES && !segmentsAligned(bio, at, dataUnitBytes);
}

/** Whether every segment starts and ends at a multiple of `alignment` of its memory. */
function segmentsAligned({ vecs }: Vectored, at: BvecPosition, alignment: number): boolean {
  let left = at.bytes;
  for (let index = at.vecIndex, done = at.vecDone; left > 0; index++, done = 0) {
    const vec = vecs[index]!;
    const bytes = Math.min(vec.bytes - done, left);
    if ((vec.offset + done) % alignment !== 0 || bytes % alignment !== 0) return false;
    left -= bytes;
  }
  return true;
}
