import { type BioSet, BlkStatus, type BlockDevice, ReqFlag, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { GRANULE_SECTORS } from "./granules.js";

/** Sectors that lie together on a device. */
export interface Range {
  readonly bdev: BlockDevice;
  readonly sector: number;
}

/** Copies sectors and makes them durable. False when an I/O has failed: then nobody knows what is there. */
export async function copySectors(bios: BioSet, from: Range, to: Range, sectors: number): Promise<boolean> {
  const data = new Uint8Array(GRANULE_SECTORS * SECTOR_BYTES);
  for (let at = 0; at < sectors; at += GRANULE_SECTORS) {
    if (!(await submit(bios, from.bdev, ReqOp.READ, from.sector + at, data))) return false;
    if (!(await submit(bios, to.bdev, ReqOp.WRITE, to.sector + at, data))) return false;
  }
  return submit(bios, to.bdev, ReqOp.WRITE | ReqFlag.PREFLUSH, 0, null);
}

function submit(
  bios: BioSet,
  bdev: BlockDevice,
  opf: number,
  sector: number,
  data: Uint8Array | null,
): Promise<boolean> {
  // The first of a pool is always to be had, and nobody else takes of this one.
  const bio = bios.tryAlloc(bdev, opf)!;
  bio.sector = sector;
  if (data !== null) bio.addBuffer(data);
  return new Promise((resolve) => {
    bio.onEndIo = (ended) => {
      const { status } = ended;
      ended.put();
      resolve(status === BlkStatus.OK);
    };
    bdev.queue.layer.submitBio(bio);
  });
}
