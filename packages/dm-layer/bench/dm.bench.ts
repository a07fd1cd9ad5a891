import {
  type Bio,
  BlkStatus,
  type BlockDevice,
  BlockLayer,
  HostExecutor,
  ReqOp,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { NullDisk } from "@inlinecrypt/blk-drivers";
import { DeviceMapper } from "@inlinecrypt/dm-layer";
import { median, samplesOf } from "@inlinecrypt/testing-bench";

// What a level of device-mapper costs: 4 KiB writes to disks that do nothing, bare and through tables, one after another.
// Measured in several processes, of which the median counts: in each V8 decides anew what it inlines. Needs a young
// generation that holds what a round allocates.

const BIO_BYTES = 4096;
const DISK_SECTORS = 2 ** 21;
/** Short rounds in turn; the fastest counts, because whatever else the machine does only slows a round down. */
const BIOS_PER_ROUND = 1_000;
const ROUNDS = 1_000;
const PROCESSES = 7;

const layer = new BlockLayer({ executor: new HostExecutor() });
const disks = [0, 1, 2, 3].map(
  (index) => new NullDisk(layer, { name: `nullb${index}`, bytes: DISK_SECTORS * SECTOR_BYTES }),
);
const dm = new DeviceMapper({ layer, device: (name) => disks.find(({ disk }) => disk.name === name)?.bdev ?? null });
const paths = "round-robin 0 2 1 nullb0 1 nullb1 1";
const tables = {
  linear: `0 ${DISK_SECTORS} linear nullb0 0`,
  "linear over linear": `0 ${DISK_SECTORS} linear linear 0`,
  "striped over 4": `0 ${DISK_SECTORS} striped 4 128 nullb0 0 nullb1 0 nullb2 0 nullb3 0`,
  "multipath over 2": `0 ${DISK_SECTORS} multipath 0 0 1 1 ${paths}`,
};

const data = new Uint8Array(BIO_BYTES);
let ended = 0;
const onEnd = (bio: Bio): void => {
  if (bio.status === BlkStatus.OK) ended++;
  bio.put();
};

/** Nanoseconds a bio. */
function run(bdev: BlockDevice): number {
  ended = 0;
  const start = performance.now();
  for (let index = 0; index < BIOS_PER_ROUND; index++) {
    const bio = layer.bioSet.tryAlloc(bdev, ReqOp.WRITE)!;
    bio.sector = (index * 264) % (DISK_SECTORS - 8);
    bio.addBuffer(data, 0, BIO_BYTES);
    bio.onEndIo = onEnd;
    layer.submitBio(bio);
  }
  const ms = performance.now() - start;
  if (ended !== BIOS_PER_ROUND) throw new Error(`${bdev.name}: ${ended} of ${BIOS_PER_ROUND} bios ended well`);
  return (ms * 1e6) / BIOS_PER_ROUND;
}

/** That a round really reaches the disks, once each. */
function prove(bdev: BlockDevice): void {
  let requests = 0;
  const stop = layer.tracepoints.blockRqComplete.subscribe((rq) => {
    if (disks.some(({ disk }) => disk.queue === rq.queue)) requests++;
  });
  run(bdev);
  stop();
  if (requests !== BIOS_PER_ROUND) throw new Error(`${bdev.name}: ${requests} requests, expected ${BIOS_PER_ROUND}`);
}

/** Nanoseconds a bio of the bare disk and of each table. */
type Sample = Readonly<Record<string, number>>;

async function measure(): Promise<Sample> {
  const contenders = new Map<string, BlockDevice>([["bare", disks[0]!.bdev]]);
  for (const [name, table] of Object.entries(tables)) contenders.set(name, (await dm.create({ name, table })).bdev);
  for (const bdev of contenders.values()) prove(bdev);
  const best: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, bdev] of contenders) best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, run(bdev));
  }
  await dm[Symbol.asyncDispose]();
  for (const disk of disks) await disk.close();
  return best;
}

const samples = await samplesOf(import.meta.url, PROCESSES, measure);
if (samples !== null) {
  console.log(`4 KiB writes one by one: median of ${PROCESSES} processes, in each the fastest of ${ROUNDS} rounds`);
  for (const name of ["bare", ...Object.keys(tables)]) {
    const ns = median(samples.map((sample) => sample[name]!)).toFixed(0);
    const ratio = median(samples.map((sample) => sample[name]! / sample.bare!)).toFixed(2);
    const goal = name === "linear" ? " (goal: under 1.20)" : "";
    console.log(`${name.padEnd(20)} ${ns.padStart(5)} ns a bio  ${ratio} of bare${goal}`);
  }
}
