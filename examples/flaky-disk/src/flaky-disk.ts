// An encrypted volume on a disk that is slow, fails one write in ten, forgets what was not flushed and loses its power.
// Everything happens in simulated time, and the seed replays it.
import { parseArgs } from "node:util";
import { type BlkError, BlkStatus, BlockLayer, ReqOp, Timer, Volume } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import { expectAtRest, FaultPlan, runUntilSettled, SeededRandom, SimDisk, WriteHistory } from "@inlinecrypt/blk-sim";
import { createPortableEngine } from "@inlinecrypt/skcipher/portable";

const { values } = parseArgs({ options: { seed: { type: "string", default: `${Date.now() % 100_000}` } } });
console.log(`seed ${values.seed} (replay: npm start --prefix examples/flaky-disk -- --seed ${values.seed})`);

const DISK_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
const random = new SeededRandom(values.seed);
const executor = new SimExecutor();
const cryptoFallback = new BlkCryptoFallback({ engine: createPortableEngine() });
const layer = new BlockLayer({ executor, cryptoFallback });

const faults = new FaultPlan(random.fork("faults"));
const badWrites = faults.add({ op: ReqOp.WRITE, status: BlkStatus.MEDIUM, oneIn: 10 });
const latency = { minMs: 0.2, maxMs: 8 };
const disk = new SimDisk(layer, { bytes: DISK_BYTES, random: random.fork("disk"), faults, latency, writeCache: true });

const bytes = random.fork("key").fill(new Uint8Array(64)); // a key for a test: anybody can guess it
const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: PAGE_BYTES, dunBytes: 8 });
blkCryptoStartUsingKey(disk.bdev, key);
const volume = new Volume(disk.bdev, { key });

const load = random.fork("load");
const statuses: Record<string, number> = {};

/** Waits for an operation and counts how it ended: OK, or the errno. */
async function endsWell(operation: Promise<void>): Promise<boolean> {
  const status = await operation.then(
    () => "OK",
    (error: BlkError) => error.code,
  );
  statuses[status] = (statuses[status] ?? 0) + 1;
  return status === "OK";
}

/** Writes random pages, flushing now and then, until the power goes. The history hears what was promised. */
async function writePages(history: WriteHistory): Promise<void> {
  while (disk.powered) {
    const byteOffset = PAGE_BYTES * load.below(DISK_BYTES / PAGE_BYTES);
    const page = load.fill(new Uint8Array(PAGE_BYTES));
    const write = history.beginWrite(byteOffset, page);
    history.endWrite(write, await endsWell(volume.write(byteOffset, page)));
    if (!load.oneIn(8)) continue;
    const flush = history.beginFlush();
    if (await endsWell(volume.flush())) history.endFlush(flush);
  }
}

async function readAll(): Promise<Uint8Array> {
  const contents = new Uint8Array(DISK_BYTES);
  await volume.read(0, contents);
  return contents;
}

async function main(): Promise<void> {
  const history = new WriteHistory(await readAll(), 512);
  const powerCut = new Timer(() => {
    console.log(`power cut at ${executor.nowMs().toFixed(1)} ms; unflushed writes:`, disk.powerCut());
  });
  executor.addTimer(powerCut, random.fork("power cut").between(300, 600));
  await Promise.all([1, 2, 3, 4].map(() => writePages(history)));
  console.log("how operations ended:", statuses);
  console.log("what the disk saw:", { ...disk.seen });

  faults.liftAll();
  disk.powerOn();
  const violations = history.settle(await readAll());
  console.log(`${violations.length} of ${history.blockCount} blocks hold what was never promised`);
  await blkCryptoEvictKey(disk.bdev, key);
  key.wipe();
  await disk.close();
  process.exitCode = violations.length === 0 && badWrites.hits > 0 ? 0 : 1;
}

await runUntilSettled(executor, main());
expectAtRest({ layer, queues: [disk.queue], profiles: [cryptoFallback] });
