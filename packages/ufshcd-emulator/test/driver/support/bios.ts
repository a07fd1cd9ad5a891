import { type BlkStatus, type BlockDevice, SECTOR_BYTES, type Volume } from "@inlinecrypt/blk-core";

/** Submits one bio over `data`; resolves with how it ended. Submitted when this returns. */
export function submit(
  bdev: BlockDevice,
  opf: number,
  byteOffset: number,
  data: Uint8Array,
  volume?: Volume,
): Promise<BlkStatus> {
  const { layer } = bdev.queue;
  const bio = layer.bioSet.tryAlloc(bdev, opf);
  if (bio === null) throw new Error("the layer has run out of bios");
  bio.sector = byteOffset / SECTOR_BYTES;
  if (!bio.addBuffer(data)) throw new Error("the bio is full");
  volume?.attachContext(bio);
  return new Promise((resolve) => {
    bio.onEndIo = (ended) => {
      const { status } = ended;
      ended.put();
      resolve(status);
    };
    layer.submitBio(bio);
  });
}
