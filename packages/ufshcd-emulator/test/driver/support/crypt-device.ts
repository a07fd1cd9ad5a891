import { BioQueue, type BlockDevice, GenDisk, type Volume } from "@inlinecrypt/blk-core";

/** A disk over a volume: every bio that goes through it gets the volume's encryption context. */
export function cryptDevice(volume: Volume): BlockDevice {
  const lower = volume.bdev;
  const { layer, limits } = lower.queue;
  const queue = new BioQueue(
    layer,
    {
      submitBio(bio) {
        bio.setDev(lower);
        if (bio.hasData) volume.attachContext(bio);
        layer.submitBio(bio);
      },
    },
    { ...limits, integrity: null, dmaAlignmentBytes: volume.blockBytes },
  );
  const { sectorCount, readOnly } = lower;
  return new GenDisk({ name: `crypt-${lower.name}`, queue, sectorCount, readOnly }).part0;
}
