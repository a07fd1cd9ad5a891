import { type Bio, BioQueue, BioSegments, BlockLayer, GenDisk, HostExecutor, opOf, ReqOp } from "@inlinecrypt/blk-core";
import { type BlockDeviceUnderTest, MIN_DEVICE_BYTES } from "../src/index.js";

/** What goes wrong in an `ArrayDevice`. */
export type Fault =
  | "none"
  | "drops second vector"
  | "discard keeps data"
  | "zeroes too much"
  | "ends with an error"
  | "leaks";

/** The simplest block device there is, over one array, and wrong where the test wants it. */
export function newArrayDevice(fault: Fault, readOnly = false): BlockDeviceUnderTest {
  const layer = new BlockLayer({ executor: new HostExecutor() });
  const medium = new Uint8Array(MIN_DEVICE_BYTES);
  const queue = new BioQueue(
    layer,
    { submitBio: (bio) => submitBio(bio, medium, fault) },
    { maxDiscardSectors: 65536, maxWriteZeroesSectors: 65536 },
  );
  const disk = new GenDisk({ name: "array", queue, sectorCount: medium.length / 512, readOnly });
  return { layer, bdev: disk.part0, teardown: () => disk.close() };
}

function submitBio(bio: Bio, medium: Uint8Array, fault: Fault): void {
  const at = bio.sector * 512;
  if (fault === "ends with an error" && bio.sector > 100) return bio.endIoWith(10);
  if (fault === "leaks") bio.bdev!.queue.layer.bioSet.tryAlloc(null, 0);
  switch (opOf(bio.opf)) {
    case ReqOp.DISCARD:
      if (fault !== "discard keeps data") medium.fill(0, at, at + bio.bytes);
      break;
    case ReqOp.WRITE_ZEROES:
      medium.fill(0, at, at + bio.bytes + (fault === "zeroes too much" ? 1 : 0));
      break;
    default:
      transfer(bio, medium, at, fault);
  }
  bio.endIo();
}

function transfer(bio: Bio, medium: Uint8Array, start: number, fault: Fault): void {
  const write = opOf(bio.opf) === ReqOp.WRITE;
  const segments = new BioSegments();
  segments.start(bio);
  for (let at = start, index = 0; segments.next(); at += segments.bytes, index++) {
    const memory = segments.data.subarray(segments.offset, segments.offset + segments.bytes);
    if (fault === "drops second vector" && index === 1) continue;
    if (write) medium.set(memory, at);
    else memory.set(medium.subarray(at, at + memory.length));
  }
}
