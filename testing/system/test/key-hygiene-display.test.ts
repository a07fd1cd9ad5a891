import { randomBytes } from "node:crypto";
import { EventEmitter } from "node:events";
import { chmodSync, writeFileSync } from "node:fs";
import { Readable, Writable } from "node:stream";
import { BlockLayer, HostExecutor, ReqOp, submitBioWait, type Tracepoint, Volume } from "@inlinecrypt/blk-core";
import { BlkCryptoFallback } from "@inlinecrypt/blk-crypto-fallback";
import {
  assertUsableKey,
  BlkCryptoKey,
  type BlkCryptoKeyOptions,
  BlkCryptoProfile,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  type CryptoModeName,
  cryptoModes,
  formatSlotTable,
} from "@inlinecrypt/blk-crypto-profile";
import { EmulatedWrappedKeys } from "@inlinecrypt/blk-crypto-profile/emulated-wrapped-keys";
import { RamDisk } from "@inlinecrypt/blk-drivers";
import { NbdClient } from "@inlinecrypt/nbd";
import { createNodeEngine, createNodeWorkerEngine } from "@inlinecrypt/skcipher/node";
import { createPortableEngine } from "@inlinecrypt/skcipher/portable";
import { buildStack, type CommandIo, main } from "inlinecrypt";
import { describe, expect, it } from "vitest";
import { showAllWays, shownParts } from "./key-hygiene/show-all-ways.js";
import { Scratch } from "./support/serve.js";

const UNIT = 4096;
const MODES = cryptoModes.map(({ name }) => name);

function newKeyBytes(mode: CryptoModeName = "AES-256-XTS"): Buffer {
  return randomBytes(cryptoModes.find(({ name }) => name === mode)!.keyBytes);
}

function newKey(bytes: Uint8Array, options: Partial<BlkCryptoKeyOptions> = {}): BlkCryptoKey {
  return new BlkCryptoKey({ mode: "AES-256-XTS", bytes, dataUnitBytes: UNIT, dunBytes: 8, ...options });
}

/** No part of the key is in anything that can be shown of the value. */
function expectHidden(value: unknown, ...keys: readonly Uint8Array[]): void {
  const text = typeof value === "string" ? value : showAllWays(value);
  for (const key of keys) expect(shownParts(text, key)).toEqual([]);
}

/** The error of something that fails. */
async function failureOf(attempt: () => unknown): Promise<Error> {
  try {
    await attempt();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
}

describe("the search for keys in what is shown", () => {
  const key = newKeyBytes();

  it.each([
    ["an array", new Uint8Array(key)],
    ["a buffer", key],
    ["a member", { deep: { deeper: [{ bytes: new Uint8Array(key) }] } }],
    ["a hidden member", Object.defineProperty({}, "bytes", { value: key, enumerable: false })],
    ["a map", new Map([["key", new Uint8Array(key)]])],
    ["an error's message", new Error(`bad key ${key.toString("hex")}`)],
    ["an error's cause", new Error("bad key", { cause: new Error(key.toString("base64")) })],
    ["upper case", key.toString("hex").toUpperCase()],
    ["a part in base64", key.subarray(1).toString("base64")],
    ["text", `the key is ${key.toString("latin1")}`],
  ])("finds a key in %s", (_what, value) => {
    const text = typeof value === "string" ? value : showAllWays(value);
    expect(shownParts(text, key)).not.toEqual([]);
  });
});

describe("no object shows the key it holds", () => {
  it.each(MODES)("a BlkCryptoKey, %s", (mode) => {
    const bytes = newKeyBytes(mode);
    const key = newKey(bytes, { mode });
    expectHidden(key, bytes);
    expectHidden({ key, more: [key] }, bytes);
  });

  it.each([
    ["portable", createPortableEngine()],
    ["node", createNodeEngine()],
    ["node-worker", createNodeWorkerEngine({ workerCount: 1 })],
  ])("a cipher of the engine %s, and the engine", (_name, engine) => {
    for (const { name, cipher: cipherName } of cryptoModes) {
      const bytes = newKeyBytes(name);
      const cipher = engine.alloc(cipherName);
      cipher.setKey(bytes);
      const data = new Uint8Array(UNIT);
      cipher.encrypt(data, data, UNIT, new Uint32Array(8));
      expectHidden(cipher, bytes);
      expectHidden(engine, bytes);
      expectHidden(engine.describe(), bytes);
      cipher.clear();
    }
  });

  it("a profile with a programmed slot, its table, and all that its tracepoints tell", async () => {
    const bytes = newKeyBytes();
    const told: string[] = [];
    const layer = new BlockLayer({ executor: new HostExecutor() });
    const profile = new BlkCryptoProfile(layer, {
      slotCount: 1,
      modesSupported: { "AES-256-XTS": UNIT },
      maxDunBytesSupported: 8,
      llOps: { keyslotProgram: () => {}, keyslotEvict: () => {} },
    });
    listenToAll(profile.tracepoints, told);
    const disk = new RamDisk(layer, { bytes: 1 << 20 });
    disk.bdev.queue.registerCryptoProfile(profile);
    const key = newKey(bytes);
    await new Volume(disk.bdev, { key }).write(0, new Uint8Array(UNIT)).catch(() => {});
    await profile.reprogramAllKeys();
    expectHidden(profile, bytes);
    expectHidden(formatSlotTable(profile.slotTable()), bytes);
    await blkCryptoEvictKey(disk.bdev, key);
    expectHidden(told.join("\n"), bytes);
    await disk.close();
  });

  it("block layer, fallback, device, volume, bio, and all that their tracepoints and traces tell", async () => {
    const bytes = newKeyBytes();
    const told: string[] = [];
    // Small pools: everything in them is shown, many times.
    const few = { slotCount: 2, bounceCount: 1, readCount: 1 };
    const cryptoFallback = new BlkCryptoFallback({ engine: createNodeEngine(), ...few });
    const tracer = { trace: (...event: unknown[]) => void told.push(showAllWays(event)) };
    const layer = new BlockLayer({ executor: new HostExecutor(), cryptoFallback, tracer, maxBios: 4 });
    listenToAll(layer.tracepoints, told);
    const disk = new RamDisk(layer, { bytes: 1 << 20 });
    const key = newKey(bytes);
    blkCryptoStartUsingKey(disk.bdev, key);
    const volume = new Volume(disk.bdev, { key });
    const bio = layer.bioSet.tryAlloc(disk.bdev, ReqOp.WRITE)!;
    bio.addBuffer(new Uint8Array(UNIT));
    volume.attachContext(bio);
    const ended = submitBioWait(bio);
    for (const value of [layer, cryptoFallback, disk, volume, bio, bio.cryptCtx]) expectHidden(value, bytes);
    await ended;
    bio.put();
    await volume.read(0, new Uint8Array(UNIT));
    expectHidden(cryptoFallback.slotTable(), bytes);
    const evicted = blkCryptoEvictKey(disk.bdev, key);
    key.wipe();
    await evicted;
    expect(told).not.toEqual([]);
    expectHidden(told.join("\n"), bytes);
    await disk.close();
  });

  it("a key manager of wrapped keys, its blobs, and a wrapped key", async () => {
    const [hardwareKey, rawKey] = [randomBytes(32), randomBytes(32)];
    const hardware = new EmulatedWrappedKeys({ hardwareKey });
    const [ltKey, ephKey] = [new Uint8Array(60), new Uint8Array(60)];
    await hardware.llOps.importKey(rawKey, ltKey);
    await hardware.llOps.prepareKey(ltKey, ephKey);
    const inlineKey = hardware.unwrapInlineKey(ephKey);
    const wrapped = newKey(ephKey, { keyType: "hw-wrapped" });
    for (const value of [hardware, ltKey, ephKey, wrapped]) expectHidden(value, hardwareKey, rawKey, inlineKey);
    expectHidden(wrapped, ephKey);
    const broken = await failureOf(() => hardware.llOps.prepareKey(ephKey, new Uint8Array(60)));
    expectHidden(broken, hardwareKey, rawKey, ephKey);
  });
});

describe("no error shows the key it is about", () => {
  it("of a key, a cipher, a device", async () => {
    const bytes = newKeyBytes();
    const equalHalves = Buffer.concat([bytes.subarray(0, 32), bytes.subarray(0, 32)]);
    const layer = new BlockLayer({ executor: new HostExecutor() });
    const disk = new RamDisk(layer, { bytes: 1 << 20 });
    const wiped = newKey(bytes);
    wiped.wipe();
    const ciphers = [createPortableEngine(), createNodeEngine()].map((engine) => engine.alloc("xts(aes)"));
    const attempts: (() => unknown)[] = [
      () => newKey(bytes.subarray(1)),
      () => newKey(bytes, { mode: "Adiantum" }),
      () => newKey(bytes, { dunBytes: 99 }),
      () => newKey(bytes, { keyType: "hw-wrapped", flags: 0 }),
      () => assertUsableKey(newKey(equalHalves)),
      () => wiped.withBytes(() => {}),
      () => blkCryptoStartUsingKey(disk.bdev, newKey(bytes)),
      ...ciphers.flatMap((cipher) => [
        () => cipher.setKey(equalHalves),
        () => cipher.setKey(bytes.subarray(2)),
        () => cipher.setKey(bytes.toString("hex") as never),
      ]),
    ];
    for (const attempt of attempts) expectHidden(await failureOf(attempt), bytes);
    await disk.close();
  });
});

describe("the command", () => {
  it.each(["text", "json"])("serves, and neither its output nor its logs show the key: %s", async (format) => {
    using scratch = new Scratch();
    const bytes = newKeyBytes();
    writeFileSync(scratch.path("key"), bytes.toString("hex"));
    chmodSync(scratch.path("key"), 0o644); // it warns of that
    const io = new CollectingIo();
    const flags = format === "json" ? ["--json"] : [];
    const listen = ["--listen", `unix:${scratch.path("sock")}`];
    const file = ["--file", scratch.path("img"), "--size", "1MiB"];
    const ended = main(["serve", ...file, "--key-file", scratch.path("key"), ...listen, ...flags], io);
    await io.ready;
    const client = await NbdClient.connect({ unix: scratch.path("sock") }, { exportName: "" });
    await client.write(100, new Uint8Array(5000));
    await client.close();
    io.signals.emit("SIGTERM", "SIGTERM");
    expect(await ended).toBe(0);
    expect(io.text).toContain("0644");
    expectHidden(io.text, bytes);
  });

  it.each([
    ["a key of the wrong length", (bytes: Buffer) => bytes.subarray(1)],
    ["hex of the wrong length", (bytes: Buffer) => bytes.toString("hex").slice(2)],
    ["hex with a letter that is none", (bytes: Buffer) => `${bytes.toString("hex")}x`],
    ["a key with equal halves", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 32), bytes.subarray(0, 32)])],
  ])("refuses %s without showing it", async (_what, contentOf) => {
    using scratch = new Scratch();
    const bytes = newKeyBytes();
    writeFileSync(scratch.path("key"), contentOf(bytes), { mode: 0o600 });
    const io = new CollectingIo();
    expect(await main(["crypt", "encrypt", "--key-file", scratch.path("key")], io)).toBe(1);
    expect(io.text).toContain(scratch.path("key"));
    expectHidden(io.text, bytes);
  });

  it("builds stacks that do not show their keys", async () => {
    using scratch = new Scratch();
    const { path, key } = scratch.keyFile();
    await using stack = await buildStack({
      version: 1,
      devices: { disk: { driver: "ram", size: 1 << 20 } },
      keys: { k: { file: path } },
      volumes: { secret: { device: "disk", key: "k" } },
    });
    await stack.volumes.get("secret")!.volume.write(0, new Uint8Array(UNIT));
    expectHidden(stack, key);
    expectHidden(stack.fallbackSlotTable(), key);
  });
});

/** Collects what all tracepoints of an object are told, the first time each. */
function listenToAll(tracepoints: object, told: string[]): void {
  for (const tracepoint of Object.values(tracepoints) as Tracepoint<unknown[]>[]) {
    const stop = tracepoint.subscribe((...args) => {
      told.push(...args.map(showAllWays));
      stop();
    });
  }
}

/** A process's streams, in memory. */
class CollectingIo implements CommandIo {
  readonly stdin: Readable = Readable.from([], { objectMode: false });
  readonly env: Record<string, string> = {};
  readonly signals: EventEmitter = new EventEmitter();
  text = "";
  #sayReady: () => void = () => {};
  /** Something has been written to stdout. */
  readonly ready: Promise<void> = new Promise((resolve) => {
    this.#sayReady = resolve;
  });
  readonly stdout: Writable = this.#sink(() => this.#sayReady());
  readonly stderr: Writable = this.#sink(() => {});

  nowMs(): number {
    return 0;
  }

  exitNow(): void {}

  #sink(onText: () => void): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.text += chunk.toString("latin1");
        onText();
        done();
      },
    });
  }
}
