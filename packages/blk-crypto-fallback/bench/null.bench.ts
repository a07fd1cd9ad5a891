import { type Bio, BlkStatus, BlockLayer, HostExecutor, newDun, ReqOp, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { BlkCryptoKey, BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import { NullDisk } from "@inlinecrypt/blk-drivers";
import { median, samplesOf } from "@inlinecrypt/testing-bench";

// What the block layer itself costs, and what an encryption context adds: 4 KiB writes to a disk that does nothing, whose
// crypto engine does nothing either. Measured in several processes, one after the other, of which the median counts: in
// each V8 decides anew what it inlines, and that may make a bio a quarter faster or slower. Needs --expose-gc, and a young
// generation that holds what a round allocates.

const BIO_BYTES = 4096;
const SECTORS_PER_BLOCK = BIO_BYTES / SECTOR_BYTES;
const DISK_BYTES = 2 ** 30;
const DISK_BLOCKS = DISK_BYTES / BIO_BYTES;
const BIOS_PER_ROUND = 1_000;
/** So many that what measuring itself allocates does not count. */
const BIOS_FOR_GARBAGE = 20_000;
/** Short rounds in turn; the fastest counts, because whatever else the machine does only slows a round down. */
const ROUNDS = 2_000;
const PROCESSES = 9;

/** One bio after another to a null disk; each ends before the next starts. */
class BioStream {
  readonly name: string;
  readonly profile: BlkCryptoProfile;
  readonly #layer = new BlockLayer({ executor: new HostExecutor() });
  readonly #disk: NullDisk;
  readonly #key: BlkCryptoKey | null;
  readonly #dun = newDun();
  readonly #data = new Uint8Array(BIO_BYTES);
  #ended = 0;
  readonly #onEnd = (bio: Bio): void => {
    if (bio.status === BlkStatus.OK) this.#ended++;
    bio.put();
  };

  constructor(name: string, key: BlkCryptoKey | null) {
    this.name = name;
    this.#key = key;
    this.profile = new BlkCryptoProfile(this.#layer, {
      modesSupported: { "AES-256-XTS": 4096 },
      maxDunBytesSupported: 8,
      slotCount: 4,
      llOps: { keyslotProgram: () => {}, keyslotEvict: () => {} },
    });
    this.#disk = new NullDisk(this.#layer, { bytes: DISK_BYTES, cryptoProfile: this.profile });
  }

  run(bios: number): void {
    this.#ended = 0;
    for (let index = 0; index < bios; index++) this.#submit(index % DISK_BLOCKS);
    if (this.#ended !== bios) throw new Error(`${this.name}: ${this.#ended} of ${bios} bios ended well`);
  }

  /** Requests the driver saw, and how many of them with the context and slot they need. */
  prove(bios: number): void {
    let requests = 0;
    let encrypted = 0;
    const stop = this.#layer.tracepoints.blockRqIssue.subscribe((rq) => {
      requests++;
      if (rq.cryptCtx?.key === this.#key && rq.cryptKeyslot !== null) encrypted++;
    });
    this.run(bios);
    stop();
    const expected = this.#key === null ? 0 : bios;
    if (requests !== bios || encrypted !== expected) {
      throw new Error(`${this.name}: ${requests} requests, ${encrypted} encrypted; expected ${bios} and ${expected}`);
    }
  }

  #submit(block: number): void {
    const bio = this.#layer.bioSet.tryAlloc(this.#disk.bdev, ReqOp.WRITE)!;
    bio.sector = block * SECTORS_PER_BLOCK;
    bio.addBuffer(this.#data, 0, BIO_BYTES);
    if (this.#key !== null) {
      this.#dun[0] = block;
      bio.setCryptCtx(this.#key, this.#dun);
    }
    bio.onEndIo = this.#onEnd;
    this.#layer.submitBio(bio);
  }
}

function biosPerSecond(stream: BioStream): number {
  const start = performance.now();
  stream.run(BIOS_PER_ROUND);
  return (BIOS_PER_ROUND * 1000) / (performance.now() - start);
}

/** Bytes of heap one bio leaves to the garbage collector: the most of a few tries. */
function bytesPerBio(stream: BioStream): number {
  let most = 0;
  for (let attempt = 0; attempt < 5; attempt++) {
    globalThis.gc!();
    const before = process.memoryUsage().heapUsed;
    stream.run(BIOS_FOR_GARBAGE);
    most = Math.max(most, (process.memoryUsage().heapUsed - before) / BIOS_FOR_GARBAGE);
  }
  return most;
}

/** What one process has measured. */
interface Sample {
  readonly plainNs: number;
  readonly encryptedNs: number;
  readonly plainGarbage: number;
  readonly encryptedGarbage: number;
}

function measure(): Sample {
  const bytes = new Uint8Array(64).map((_, index) => index);
  const key = new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: 4096, dunBytes: 8 });
  const plain = new BioStream("plain", null);
  const encrypted = new BioStream("encrypted", key);
  const streams = [plain, encrypted];
  for (const stream of streams) stream.prove(1000);
  const fastest = new Map<BioStream, number>(streams.map((stream) => [stream, 0]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const stream of streams) fastest.set(stream, Math.max(fastest.get(stream)!, biosPerSecond(stream)));
  }
  return {
    plainNs: 1e9 / fastest.get(plain)!,
    encryptedNs: 1e9 / fastest.get(encrypted)!,
    plainGarbage: bytesPerBio(plain),
    encryptedGarbage: bytesPerBio(encrypted),
  };
}

function printStream(name: string, ns: readonly number[], garbage: readonly number[]): void {
  const rate = Math.round(1e9 / median(ns)).toLocaleString("en");
  const bytes = Math.max(...garbage).toFixed(1);
  console.log(`${name.padEnd(10)} ${rate.padStart(10)} bios/s, ${bytes} bytes allocated per bio (goal: under 100)`);
}

if (globalThis.gc === undefined) throw new Error("run with node --expose-gc");
const samples = await samplesOf(import.meta.url, PROCESSES, measure);
if (samples !== null) {
  console.log(
    `null disk, writes of ${BIO_BYTES} bytes one by one: median of ${PROCESSES} processes, in each the fastest of ${ROUNDS} rounds of ${BIOS_PER_ROUND} bios`,
  );
  const all = <Name extends keyof Sample>(name: Name): number[] => samples.map((sample) => sample[name]);
  printStream("plain", all("plainNs"), all("plainGarbage"));
  printStream("encrypted", all("encryptedNs"), all("encryptedGarbage"));
  const costs = samples.map(({ plainNs, encryptedNs }) => 100 * (encryptedNs / plainNs - 1));
  const ns = median(samples.map(({ plainNs, encryptedNs }) => encryptedNs - plainNs)).toFixed(0);
  const range = `${Math.min(...costs).toFixed(1)} to ${Math.max(...costs).toFixed(1)} %`;
  console.log(`an encryption context costs ${ns} ns, ${median(costs).toFixed(1)} % (${range}; goal: under 15 %)`);
}
