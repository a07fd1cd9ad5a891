// Run by the test in a process of its own: puts keys from files through scenarios, and tells where each is in memory while
// it is in use, and afterwards. The needles it looks for come masked, in another file.
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { setImmediate, setTimeout } from "node:timers/promises";
import { BlockLayer, HostExecutor, SECTOR_BYTES, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  type CryptoMode,
  type CryptoModeName,
  cryptoModeByName,
} from "@inlinecrypt/blk-crypto-profile";
import { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { createNodeEngine, createNodeWorkerEngine } from "@inlinecrypt/skcipher/node";
import { createPortableEngine } from "@inlinecrypt/skcipher/portable";
import { buildStack } from "inlinecrypt";
import { type Finding, MemoryScanner } from "./memory-scanner.js";
import type { Needle } from "./needles.js";

const MIB = 1 << 20;
const DISK_BYTES = 4 * MIB;

/** What a scenario needs. */
interface Trial {
  readonly engine: SkcipherEngine;
  readonly mode: CryptoMode;
  readonly keyFile: string;
  /** Scans, and reports under this name. */
  scan(name: string): void;
}

const engines: Readonly<Record<string, () => SkcipherEngine>> = {
  portable: createPortableEngine,
  node: createNodeEngine,
  "node-worker": () => createNodeWorkerEngine({ workerCount: 1 }),
};

/** The way of `inlinecrypt serve`: key file, stack, I/O, close. */
async function wholeStack({ engine, mode, keyFile, scan }: Trial): Promise<void> {
  const stack = await buildStack(
    {
      version: 1,
      devices: { disk: { driver: "ram", size: DISK_BYTES } },
      keys: { k: { mode: mode.name, dataUnitSize: 4096, file: keyFile } },
      volumes: { secret: { device: "disk", key: "k" } },
    },
    { engine },
  );
  await transfer(engine, stack.volumes.get("secret")!.volume);
  moveHeap();
  scan("in use");
  await stack.close();
  scan("closed");
}

/** The life of a key, step by step, with small and large data units: engines compute those in different ways. */
async function keyLife({ engine, mode, keyFile, scan }: Trial): Promise<void> {
  const cryptoFallback = new BlkCryptoFallback({ engine, bounceCount: 4 });
  const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback });
  const disk = new RamDisk(layer, { bytes: DISK_BYTES });
  const bdev = disk.disk.part0;
  const keys = [512, 4096, 65536].map((dataUnitBytes) => readKey(keyFile, mode, dataUnitBytes));
  for (const key of keys) {
    blkCryptoStartUsingKey(bdev, key);
    await transfer(engine, new Volume(bdev, { key }));
  }
  moveHeap();
  scan("in use");
  for (const key of keys) {
    await blkCryptoEvictKey(bdev, key);
    key.wipe();
  }
  scan("evicted and wiped");
  cryptoFallback[Symbol.dispose]();
  await disk.close();
}

/** A key object that the garbage collector gets to see before it is wiped. */
async function keyAlone({ mode, keyFile, scan }: Trial): Promise<void> {
  const key = readKey(keyFile, mode, 4096);
  moveHeap();
  scan("in use");
  key.wipe();
  scan("wiped");
}

/** A cipher alone, when whoever programmed it has wiped the key: what is left is the engine's. */
async function cipherAlone({ engine, mode, keyFile, scan }: Trial): Promise<void> {
  const cipher = engine.alloc(mode.cipher);
  const key = readKey(keyFile, mode, 4096);
  key.withBytes((bytes) => cipher.setKey(bytes));
  key.wipe();
  const data = new Uint8Array(65536);
  const dun = new Uint32Array(8);
  cipher.encrypt(data, data, 4096, dun);
  cipher.decrypt(data, data, 65536, dun);
  moveHeap();
  scan("in use");
  cipher.clear();
  scan("cleared");
}

/** A wrapped key: the file holds what is imported, and the hardware derives what the cipher gets. */
async function wrappedKey({ engine, mode, keyFile, scan }: Trial): Promise<void> {
  const hardware = new EmulatedWrappedKeys();
  const [ltKey, ephKey] = [new Uint8Array(60), new Uint8Array(60)];
  const rawKey = readFile(keyFile, 32);
  await hardware.llOps.importKey(rawKey, ltKey);
  rawKey.fill(0);
  await hardware.llOps.prepareKey(ltKey, ephKey);
  const cipher = engine.alloc(mode.cipher);
  const inlineKey = hardware.unwrapInlineKey(ephKey);
  cipher.setKey(inlineKey);
  inlineKey.fill(0);
  await hardware.llOps.deriveSwSecret(ephKey, new Uint8Array(32));
  moveHeap();
  scan("in use");
  cipher.clear();
  hardware[Symbol.dispose]();
  scan("cleared");
}

/** A key that is refused when it is loaded. */
async function refusedKey({ engine, mode, keyFile, scan }: Trial): Promise<void> {
  const refusal = await buildStack(
    {
      version: 1,
      devices: { disk: { driver: "ram", size: DISK_BYTES } },
      keys: { k: { mode: mode.name, dataUnitSize: 4096, file: keyFile } },
      volumes: { secret: { device: "disk", key: "k" } },
    },
    { engine },
  ).catch((error: Error) => error.message);
  if (typeof refusal !== "string") throw new Error("the key was accepted");
  scan("refused");
}

export type ScenarioName = "wholeStack" | "keyLife" | "keyAlone" | "cipherAlone" | "wrappedKey" | "refusedKey";

const scenarios: Readonly<Record<ScenarioName, (trial: Trial) => Promise<void>>> = {
  wholeStack,
  keyLife,
  keyAlone,
  cipherAlone,
  wrappedKey,
  refusedKey,
};

/** Reads the file of a raw key past everything that is under test, and leaves nothing behind. */
function readKey(keyFile: string, mode: CryptoMode, dataUnitBytes: number): BlkCryptoKey {
  const bytes = readFile(keyFile, mode.keyBytes);
  const key = new BlkCryptoKey({ mode, bytes, dataUnitBytes, dunBytes: 8 });
  bytes.fill(0);
  return key;
}

function readFile(path: string, bytes: number): Uint8Array {
  const content = new Uint8Array(new ArrayBuffer(bytes));
  const file = openSync(path, "r");
  readSync(file, content);
  closeSync(file);
  return content;
}

/** Small and large I/O, in both directions; with threads, until they take part. */
async function transfer(engine: SkcipherEngine, volume: Volume): Promise<void> {
  const data = new Uint8Array(MIB).map((_, at) => at / SECTOR_BYTES);
  const rounds = "allocShared" in engine ? 20 : 2;
  for (let round = 0; round < rounds; round++) {
    for (const bytes of [volume.blockBytes, MIB]) {
      await volume.write(0, data.subarray(0, bytes));
      await volume.read(0, new Uint8Array(bytes));
    }
    if (rounds > 2) await setTimeout(10);
  }
}

/**
 * Moves what lies in V8's own heap, once, which leaves the old bytes where they were. Nothing is allocated there again
 * until the next collection, and that does not come by itself: the test gives the process a large young generation.
 */
function moveHeap(): void {
  globalThis.gc!({ execution: "sync", type: "minor" });
}

/** Objects with finalizers need more than one collection, and turns of the event loop in between. */
async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc!();
    await setImmediate();
  }
}

/** A key that is put through a scenario. */
export interface TrialPlan {
  readonly scenario: ScenarioName;
  readonly mode: CryptoModeName;
  /** Holds the key, raw or in hex. */
  readonly keyFile: string;
  readonly needles: readonly Needle[];
}

/** What was found of each key, by scan. */
export interface Results {
  readonly trials: Record<string, Finding[]>[];
  /** Of all keys, when all is done and the garbage is collected. */
  readonly atTheEnd: Finding[];
}

async function main([engineName, planFile]: string[]): Promise<void> {
  const plans = JSON.parse(readFileSync(planFile!, "utf8")) as TrialPlan[];
  const trials: Results["trials"] = [];
  const engine = engines[engineName!]!();
  for (const { scenario, mode, keyFile, needles } of plans) {
    const scanner = new MemoryScanner(needles);
    const found: Record<string, Finding[]> = {};
    const scan = (name: string): void => {
      found[name] = scanner.scan();
    };
    await scenarios[scenario]({ engine, mode: cryptoModeByName(mode), keyFile, scan });
    trials.push(found);
  }
  if (Symbol.asyncDispose in engine) await (engine as AsyncDisposable)[Symbol.asyncDispose]();
  await collectGarbage();
  const atTheEnd = new MemoryScanner(plans.flatMap((plan) => plan.needles)).scan();
  const results: Results = { trials, atTheEnd };
  console.log(JSON.stringify(results));
}

await main(process.argv.slice(2));
