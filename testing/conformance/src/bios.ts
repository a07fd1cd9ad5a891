import { type Bio, type BlkStatus, type BlockDevice, SECTOR_BYTES, statusName } from "@inlinecrypt/blk-core";
import { expect } from "vitest";

/**
 * A bio over `data`, cut into vectors of the given lengths, rounded up to what the device's DMA takes; the last vector
 * takes the rest.
 */
export function newBio(
  bdev: BlockDevice,
  opf: number,
  byteOffset: number,
  data: Uint8Array,
  vecBytes: number[] = [],
): Bio {
  const bio = bdev.queue.layer.bioSet.tryAlloc(bdev, opf);
  if (bio === null) throw new Error("the layer has run out of bios");
  bio.sector = byteOffset / SECTOR_BYTES;
  const { dmaAlignmentBytes } = bdev.queue.limits;
  let done = 0;
  for (const wanted of vecBytes) {
    const bytes = Math.ceil(wanted / dmaAlignmentBytes) * dmaAlignmentBytes;
    if (done + bytes >= data.length) break;
    if (!bio.addBuffer(data, done, bytes)) throw new Error("the bio is full");
    done += bytes;
  }
  if (done < data.length && !bio.addBuffer(data, done)) throw new Error("the bio is full");
  return bio;
}

/** A bio without data: flush, discard, write zeroes. */
export function newEmptyBio(bdev: BlockDevice, opf: number, byteOffset: number, bytes: number): Bio {
  const bio = newBio(bdev, opf, byteOffset, new Uint8Array(0));
  bio.bytes = bytes;
  return bio;
}

/** Submits bios one after the other in one synchronous stretch; resolves with their statuses when all have ended, once each. */
export async function submitAll(bios: readonly Bio[]): Promise<BlkStatus[]> {
  const ends = new Array<number>(bios.length).fill(0);
  const statuses = await Promise.all(
    bios.map((bio, index) => {
      return new Promise<BlkStatus>((resolve) => {
        bio.onEndIo = () => {
          ends[index]!++;
          resolve(bio.status);
        };
        bio.bdev!.queue.layer.submitBio(bio);
      });
    }),
  );
  for (const bio of bios) bio.put();
  expect(ends, "ends of each bio").toEqual(ends.map(() => 1));
  return statuses;
}

/** Submits one bio and expects it to end with `status`. */
export async function expectStatus(bio: Bio, status: BlkStatus): Promise<void> {
  const [ended] = await submitAll([bio]);
  expect(statusName(ended!)).toBe(statusName(status));
}
