import { randomFillSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { cryptoModeByName } from "@inlinecrypt/blk-crypto-profile";
import { createNodeEngine, createNodeWorkerEngine } from "@inlinecrypt/skcipher/node";
import { median } from "@inlinecrypt/testing-bench";
import { blockPath, type Contender, type Crypt, TOTAL_BYTES } from "./contenders.js";

// Large I/O on the event loop and off it: throughput, how much of the loop's time it takes, and how long other things on
// the loop have to wait. Both take turns in one run.

const MODE = cryptoModeByName(process.argv[2] ?? "AES-256-XTS");
const WORKERS = Number(process.argv[3] ?? 1);
const BIO_KIB = [32, 128, 256, 1024];
const ROUNDS = 7;
/** Passes over the disk in a round. */
const PASSES = 4;
const MEBIBYTES = (PASSES * TOTAL_BYTES) / 2 ** 20;

const crypt: Crypt = { mode: MODE, keyBytes: randomFillSync(new Uint8Array(MODE.keyBytes)), dataUnitBytes: 4096 };
const data = randomFillSync(new Uint8Array(TOTAL_BYTES));
const back = new Uint8Array(TOTAL_BYTES);

interface Measured {
  megabytesPerSecond: number;
  /** CPU time of the event loop's thread for each MiB, in microseconds; others on the machine do not count. */
  loopMicros: number;
  /** CPU time of all threads for each MiB, in microseconds. */
  totalMicros: number;
  /** 99th percentile of how long other work had to wait for its turn, in ms. */
  lateMs: number;
}

/** CPU time of this thread so far, by Linux's scheduler. */
function loopMicros(): number {
  return Number(readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]) / 1000;
}

/** Waits for its turn over and over, as whatever else the process does would. */
class Bystander {
  readonly #histogram = createHistogram();
  #last = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #turn = (): void => {
    const now = performance.now();
    this.#histogram.record(Math.max(Math.round((now - this.#last - 1) * 1e3), 1));
    this.#last = now;
    this.#timer = setTimeout(this.#turn, 1);
  };

  start(): void {
    this.#last = performance.now();
    this.#timer = setTimeout(this.#turn, 1);
  }

  /** Ends; the 99th percentile in ms. */
  stop(): number {
    clearTimeout(this.#timer);
    return this.#histogram.percentile(99) / 1e3;
  }
}

async function measure(contender: Contender, op: "write" | "read"): Promise<Measured> {
  const bystander = new Bystander();
  bystander.start();
  const loopBefore = loopMicros();
  const totalBefore = process.cpuUsage();
  const start = performance.now();
  for (let pass = 0; pass < PASSES; pass++) await contender[op](op === "write" ? data : back);
  const elapsed = performance.now() - start;
  const { user, system } = process.cpuUsage(totalBefore);
  return {
    megabytesPerSecond: (PASSES * TOTAL_BYTES) / elapsed / 1000,
    loopMicros: (loopMicros() - loopBefore) / MEBIBYTES,
    totalMicros: (user + system) / MEBIBYTES,
    lateMs: bystander.stop(),
  };
}

/** Whatever else the machine does only adds to CPU times. */
function least(values: readonly number[]): number {
  return Math.min(...values);
}

async function proveAgreement(contenders: readonly Contender[]): Promise<void> {
  for (const contender of contenders) {
    await contender.write(data);
    await contender.read(back);
    if (Buffer.compare(back, data) !== 0) throw new Error(`${contender.name}: reads something else`);
    if (Buffer.compare(contender.medium(), contenders[0]!.medium()) !== 0) throw new Error(`${contender.name} differs`);
  }
}

/** Threads start when there is work; what they do not take meanwhile is computed on the loop. */
async function warmUp(contender: Contender): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    await contender.write(data);
    await sleep(100);
  }
}

await using engine = createNodeWorkerEngine({ workerCount: WORKERS });
console.log(
  `${MODE.name}, data units of 4096, ${WORKERS} worker(s): on the event loop / off it (ratio); CPU: least, else median of ${ROUNDS} rounds\n`,
);
const titles = ["MB/s", "loop's CPU us/MiB", "all CPU us/MiB", "others' wait p99 ms"];
console.log(`bio KiB  op    ${titles.map((title) => title.padStart(22)).join("  ")}`);
for (const kib of BIO_KIB) {
  const contenders = [createNodeEngine(), engine].map((each) =>
    blockPath(each.name, crypt, { engine: each, bioBytes: kib * 1024, ownTurns: true }),
  );
  await warmUp(contenders[1]!);
  await proveAgreement(contenders);
  for (const op of ["write", "read"] as const) {
    const runs: Measured[][] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, contender] of contenders.entries()) runs[index]!.push(await measure(contender, op));
    }
    const pair = (
      pick: (run: Measured) => number,
      sum: (values: readonly number[]) => number,
      digits: number,
    ): string => {
      const [on, off] = runs.map((each) => sum(each.map(pick))) as [number, number];
      return `${on.toFixed(digits)} / ${off.toFixed(digits)} (${(off / on).toFixed(2)})`.padStart(22);
    };
    const cells = [
      pair((run) => run.megabytesPerSecond, median, 0),
      pair((run) => run.loopMicros, least, 0),
      pair((run) => run.totalMicros, least, 0),
      pair((run) => run.lateMs, median, 2),
    ];
    console.log(`${String(kib).padEnd(9)}${op.padEnd(6)}${cells.join("  ")}`);
  }
}
