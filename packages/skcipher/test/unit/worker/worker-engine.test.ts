import { inspect } from "node:util";
import { isOffloadEngine, type OffloadSkcipher } from "@inlinecrypt/skcipher";
import { createNodeEngine, createNodeWorkerEngine, type NodeWorkerEngine } from "@inlinecrypt/skcipher/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { off, untilReady } from "./worker-support.ts";

const BYTES = 262144;
const pattern = (bytes: number, seed = 1): Uint8Array =>
  new Uint8Array(bytes).map((_, index) => (index * 31 + (index >> 8) * 7 + seed * 101) & 0xff);

let engine: NodeWorkerEngine;
beforeAll(async () => {
  engine = createNodeWorkerEngine({ workerCount: 1 });
  await untilReady(engine.alloc("xts(aes)"));
});
afterAll(() => engine[Symbol.asyncDispose]());

function keyed(name = "xts(aes)", seed = 1): OffloadSkcipher {
  const cipher = engine.alloc(name);
  cipher.setKey(pattern(cipher.keyBytes, seed));
  return cipher;
}

function expected(name: string, data: Uint8Array, dun: number, seed = 1): Uint8Array {
  const cipher = createNodeEngine().alloc(name);
  cipher.setKey(pattern(cipher.keyBytes, seed));
  const result = new Uint8Array(data.length);
  cipher.encrypt(data, result, 4096, Uint32Array.of(dun, 0, 0, 0, 0, 0, 0, 0));
  return result;
}

describe("off the event loop", () => {
  it.each(createNodeEngine().ciphers)("%s gives the bytes of the engine without threads", async (name) => {
    const cipher = keyed(name);
    const memory = engine.allocShared(BYTES);
    memory.bytes.set(pattern(BYTES));
    expect(await off(cipher, { op: "encryptOff", memory, dun: 7 })).toBeNull();
    expect(Buffer.compare(memory.bytes, expected(name, pattern(BYTES), 7))).toBe(0);
    expect(await off(cipher, { op: "decryptOff", memory, dun: 7 })).toBeNull();
    expect(Buffer.compare(memory.bytes, pattern(BYTES))).toBe(0);
  });

  it("transforms as much as is asked for, with the key that was set at the time", async () => {
    const cipher = keyed();
    const memory = engine.allocShared(BYTES);
    memory.bytes.set(pattern(BYTES));
    const done = off(cipher, { op: "encryptOff", memory, bytes: 8192 });
    cipher.clear();
    expect(await done).toBeNull();
    const { bytes } = memory;
    expect(Buffer.compare(bytes.subarray(0, 8192), expected("xts(aes)", pattern(8192), 0))).toBe(0);
    expect(Buffer.compare(bytes.subarray(8192), pattern(BYTES).subarray(8192))).toBe(0);
  });

  it("has room for 16 requests a thread, and serves them in order, each with its key", async () => {
    const ciphers = [keyed("xts(aes)", 1), keyed("xts(aes)", 2)];
    const order: number[] = [];
    const requests: Promise<unknown>[] = [];
    const memories = Array.from({ length: 16 }, () => engine.allocShared(65536));
    for (const [nth, memory] of memories.entries()) {
      expect(ciphers[0]!.offloads(131072)).toBe(true);
      memory.bytes.set(pattern(65536));
      requests.push(off(ciphers[nth % 2]!, { op: "encryptOff", memory, dun: nth }).then(() => order.push(nth)));
    }
    expect(ciphers[0]!.offloads(131072)).toBe(false);
    await Promise.all(requests);
    expect(order).toEqual(memories.map((_, nth) => nth));
    for (const [nth, { bytes }] of memories.entries()) {
      expect(Buffer.compare(bytes, expected("xts(aes)", pattern(65536), nth, 1 + (nth % 2)))).toBe(0);
    }
  });

  it("leaves small requests, and its synchronous calls, to the event loop", () => {
    const cipher = keyed();
    expect([4096, 131071, 131072].map((bytes) => cipher.offloads(bytes))).toEqual([false, false, true]);
    expect([32767, 32768].map((bytes) => keyed("xts(sm4)").offloads(bytes))).toEqual([false, true]);
    const data = pattern(8192);
    cipher.encrypt(data, data, 4096, new Uint32Array(8));
    expect(Buffer.compare(data, expected("xts(aes)", pattern(8192), 0))).toBe(0);
    cipher.decrypt(data, data, 4096, new Uint32Array(8));
    expect(data).toEqual(pattern(8192));
  });

  it("refuses what no cipher could do, before anything is written", async () => {
    const memory = engine.allocShared(8192);
    const other = createNodeWorkerEngine().allocShared(8192);
    const cipher = keyed();
    for (const what of [
      { memory: other },
      { memory, bytes: 12288 },
      { memory, bytes: 100 },
      { memory, dataUnitBytes: 3 },
    ]) {
      for (const op of ["encryptOff", "decryptOff"] as const) {
        await expect(off(cipher, { op, ...what })).rejects.toThrow(expect.objectContaining({ code: "EINVAL", op }));
      }
    }
    cipher.clear();
    await expect(off(cipher, { op: "encryptOff", memory })).rejects.toThrow(
      expect.objectContaining({ code: "ENOKEY" }),
    );
    expect(() => cipher.setKey(new Uint8Array(64))).toThrow(expect.objectContaining({ code: "EINVAL" }));
    await expect(off(cipher, { op: "encryptOff", memory })).rejects.toThrow(
      expect.objectContaining({ code: "ENOKEY" }),
    );
    expect(memory.bytes).toEqual(new Uint8Array(8192));
  });
});

it("shows its key to nobody", () => {
  const cipher = engine.alloc("xts(aes)");
  cipher.setKey(new Uint8Array(64).map((_, index) => (index < 32 ? 201 : 202)));
  const seen = inspect(cipher, { showHidden: true, depth: 9 }) + inspect(engine, { depth: 9 }) + JSON.stringify(cipher);
  expect(seen).not.toMatch(/201|202|c9c9|caca/);
});

describe("the engine", () => {
  it("says what it is", () => {
    expect(isOffloadEngine(engine)).toBe(true);
    expect(isOffloadEngine(createNodeEngine())).toBe(false);
    expect(engine.supports("xts(aes)")).toBe(true);
    expect(engine.describe()).toMatchObject({ name: "node-worker", available: true, ciphers: engine.ciphers });
    expect(engine.describe().detail).toMatch(/up to 1 worker threads/);
    for (const workerCount of [0, -1, 1.5]) {
      expect(() => createNodeWorkerEngine({ workerCount })).toThrow(expect.objectContaining({ code: "EINVAL" }));
    }
  });

  it("ends what is under way when it is closed, and then computes on the event loop", async () => {
    const closing = createNodeWorkerEngine({ workerCount: 1 });
    const cipher = closing.alloc("xts(aes)");
    cipher.setKey(pattern(64));
    await untilReady(cipher);
    const requests = Array.from({ length: 8 }, () =>
      off(cipher, { op: "encryptOff", memory: closing.allocShared(1 << 20) }),
    );
    await closing[Symbol.asyncDispose]();
    // How far the thread got is the machine's business.
    for (const end of await Promise.all(requests)) if (end !== null) expect(end).toMatchObject({ code: "EIO" });
    expect(cipher.offloads(1 << 20)).toBe(false);
    expect(closing.describe().detail).toMatch(/no worker threads: it has been closed/);
    cipher.encrypt(new Uint8Array(512), new Uint8Array(512), 512, new Uint32Array(8));
  });
});
