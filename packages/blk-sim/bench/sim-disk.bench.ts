/** How many bios of 4 KiB a second a SimDisk serves in simulated time: half reads, half writes, 32 at a time. */
import { type Bio, BlkStatus, BlockLayer, ReqOp } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { expectAtRest, SeededRandom, SimDisk } from "../src/index.js";

const BIOS = 400_000;
const DEPTH = 32;
const BLOCK_BYTES = 4096;
const DISK_BYTES = 8 * 2 ** 20;

function run(writeCache: boolean): number {
  const executor = new SimExecutor();
  const layer = new BlockLayer({ executor });
  const disk = new SimDisk(layer, { bytes: DISK_BYTES, random: new SeededRandom(1), writeCache });
  const memory = new Uint8Array(BLOCK_BYTES);
  let submitted = 0;
  const submit = (): void => {
    const bio = layer.bioSet.tryAlloc(disk.bdev, submitted % 2 === 0 ? ReqOp.READ : ReqOp.WRITE)!;
    // A stride keeps neighbours apart, so that they stay requests of their own.
    bio.sector = (((submitted * 389) % (DISK_BYTES / BLOCK_BYTES)) * BLOCK_BYTES) / 512;
    bio.addBuffer(memory);
    bio.onEndIo = onEnd;
    submitted++;
    layer.submitBio(bio);
  };
  const onEnd = (bio: Bio): void => {
    if (bio.status !== BlkStatus.OK) throw new Error(`a bio ended with ${bio.status}`);
    bio.put();
    if (submitted < BIOS) submit();
  };
  const start = performance.now();
  for (let index = 0; index < DEPTH; index++) submit();
  executor.runUntilIdle();
  const seconds = (performance.now() - start) / 1000;
  expectAtRest({ layer, queues: [disk.queue] });
  return BIOS / seconds;
}

for (const writeCache of [false, true]) {
  const rates = Array.from({ length: 5 }, () => run(writeCache)).sort((one, other) => one - other);
  console.log(`${writeCache ? "write cache" : "no cache   "}  ${Math.round(rates[2]!).toLocaleString("en")} bios/s`);
}
