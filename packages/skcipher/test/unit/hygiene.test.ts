import { createCipheriv, createDecipheriv } from "node:crypto";
import { expect, onTestFinished, test, vi } from "vitest";
import { AdiantumCore } from "../../src/adiantum-core.js";
import { createJsAdiantumScratch } from "../../src/adiantum-scratch.js";
import type { BlockCipher, BlockTransform } from "../../src/block-cipher.js";
import { CbcScratch } from "../../src/cbc-scratch.js";
import type { CbcTransform } from "../../src/cbc-transform.js";
import { CheckedSkcipher } from "../../src/checked-skcipher.js";
import { EssivCbcCore } from "../../src/essiv-cbc-core.js";
import { createNodeEngineOver, fastestNodeEngineParts } from "../../src/node/node-engine.js";
import { createWasmAdiantumScratch } from "../../src/node/wasm-adiantum-scratch.js";
import type { CipherCore } from "../../src/skcipher-alg.js";
import { XtsCore } from "../../src/xts-core.js";
import { createJsXtsScratch } from "../../src/xts-scratch.js";
import { ciphers, engines, limbs, noise } from "../support.js";

/** All memory for secrets that was made since the last test. */
const secrets: Uint8Array[] = vi.hoisted(() => []);

vi.mock("../../src/secret-bytes.js", async (importOriginal) => {
  const original = await importOriginal<typeof import("../../src/secret-bytes.js")>();
  const collect = (secret: Uint8Array): Uint8Array => {
    secrets.push(secret);
    return secret;
  };
  return {
    secretBytes: (bytes: number) => collect(original.secretBytes(bytes)),
    secretCopy: (secret: Uint8Array) => collect(original.secretCopy(secret)),
  };
});

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** Uses a cipher under a key, for small and large data units, both ways. */
function use(cipher: CipherCore, key: Uint8Array): void {
  cipher.setKey(key);
  for (const dataUnitBytes of [512, 65536]) {
    const data = noise(131072);
    cipher.encrypt(data, data, dataUnitBytes, limbs(1n));
    cipher.decrypt(data, data, dataUnitBytes, limbs(1n));
    expect(Buffer.compare(data, noise(131072))).toBe(0);
  }
}

test.each(
  engines.flatMap(({ name, create }) =>
    ciphers.map((cipher) => ({ title: `${cipher.name} of ${name}`, create, cipher })),
  ),
)("clear() wipes all memory for secrets: $title", ({ create, cipher: { name, keyBytes } }) => {
  const engine = create();
  const cipher = engine.alloc(name);
  secrets.length = 0;
  use(cipher, noise(keyBytes, 3));
  expect(secrets.length).toBeGreaterThan(0);
  cipher.clear();
  expect(secrets.map(isZero)).toEqual(secrets.map(() => true));
});

test("the copy of a key that a core gets is wiped when it has been set", () => {
  let seen: Uint8Array | undefined;
  const core: CipherCore = {
    setKey: (key) => {
      seen = key;
      expect([...key]).toEqual([1, 2, 3]);
    },
    encrypt: () => undefined,
    decrypt: () => undefined,
    clear: () => undefined,
  };
  const alg = { name: "any", keyBytes: 3, ivBytes: 16, weakness: () => undefined, create: () => core, computedBy: "" };
  new CheckedSkcipher(alg).setKey(Uint8Array.of(1, 2, 3));
  expect([...seen!]).toEqual([0, 0, 0]);
});

test.each(ciphers)("clear() wipes the scratch memory of the engine node: $name", ({ name, keyBytes }) => {
  const parts = fastestNodeEngineParts();
  const cipher = createNodeEngineOver(parts).alloc(name);
  use(cipher, noise(keyBytes, 3));
  cipher.clear();
  const { xtsScratch, adiantumScratch } = parts;
  // The memory of a WebAssembly module, whole.
  for (const memory of [xtsScratch.data.buffer, adiantumScratch.data.buffer]) {
    expect(isZero(new Uint8Array(memory))).toBe(true);
  }
});

/** Collects what OpenSSL contexts return from now on. */
function collectOpensslResults(): Buffer[] {
  const results: Buffer[] = [];
  for (const make of [createCipheriv, createDecipheriv]) {
    const prototype = Object.getPrototypeOf(make("aes-256-ecb", noise(32), null)) as {
      update: (bytes: Uint8Array) => Buffer;
    };
    const original = prototype.update;
    const spy = vi.spyOn(prototype, "update").mockImplementation(function (this: unknown, bytes) {
      const result = original.call(this, bytes);
      results.push(result);
      return result;
    });
    onTestFinished(() => spy.mockRestore());
  }
  return results;
}

test.each(ciphers.flatMap((cipher) => [512, 65536].map((dataUnitBytes) => ({ ...cipher, dataUnitBytes }))))(
  "nothing but ciphertext stays in what OpenSSL returned: $name, data units of $dataUnitBytes",
  (tested) => {
    const { name, keyBytes, dataUnitBytes } = tested;
    const results = collectOpensslResults();
    const cipher = createNodeEngineOver(fastestNodeEngineParts()).alloc(name);
    cipher.setKey(noise(keyBytes));
    const ciphertext = new Uint8Array(65536);
    results.length = 0;
    cipher.encrypt(noise(65536), ciphertext, dataUnitBytes, limbs(1n));
    expect(results.length).toBeGreaterThan(0);
    const isLeft = (result: Buffer): boolean => !isZero(result) && !Buffer.from(ciphertext.buffer).includes(result);
    expect(results.filter(isLeft)).toEqual([]);
    results.length = 0;
    cipher.decrypt(ciphertext, ciphertext, dataUnitBytes, limbs(1n));
    expect(results.length).toBeGreaterThan(0);
    expect(results.every(isZero)).toBe(true);
  },
);

test.each([
  { name: "JavaScript", create: createJsAdiantumScratch },
  { name: "WebAssembly", create: createWasmAdiantumScratch },
])("clear() wipes the scratch memory of Adiantum ($name)", ({ create }) => {
  const scratch = create();
  const core = new AdiantumCore(spyCipher().cipher, scratch);
  core.setKey(noise(32));
  const data = noise(65536);
  core.encrypt(data, data, 512, limbs(1n));
  const parts = [scratch.data, scratch.tweaks, scratch.middles, scratch.softKeys];
  expect(parts.map(isZero)).toEqual([false, false, false, false]);
  core.clear();
  expect(parts.map(isZero)).toEqual([true, true, true, true]);
});

/** A block cipher that does nothing and tells of each transform whether it was cleared; the nth one throws. */
function spyCipher(failAt = Number.POSITIVE_INFINITY): {
  cipher: BlockCipher;
  cleared: boolean[];
  make(): BlockTransform;
} {
  const cleared: boolean[] = [];
  const make = (): BlockTransform => {
    if (cleared.length === failAt) throw new Error("out of memory");
    const index = cleared.push(false) - 1;
    return {
      run: () => undefined,
      clear: () => {
        expect(cleared[index]).toBe(false);
        cleared[index] = true;
      },
    };
  };
  return { cipher: { keyBytes: 32, encryptor: make, decryptor: make }, cleared, make };
}

/** Each core, and how many transforms a key makes. */
const cores: { name: string; transforms: number; create: (spy: ReturnType<typeof spyCipher>) => CipherCore }[] = [
  { name: "XtsCore", transforms: 3, create: ({ cipher }) => new XtsCore(cipher, createJsXtsScratch()) },
  { name: "AdiantumCore", transforms: 2, create: ({ cipher }) => new AdiantumCore(cipher, createJsAdiantumScratch()) },
  {
    name: "EssivCbcCore",
    transforms: 3,
    create: ({ cipher, make }) => {
      const scratch = new CbcScratch();
      const transform = (): CbcTransform => ({ run: () => undefined, clear: make().clear });
      return new EssivCbcCore({ scratch, ivCipher: cipher, encryptor: transform, decryptor: transform });
    },
  },
];

test.each(cores)("$name clears every transform, once", ({ transforms, create }) => {
  const spy = spyCipher();
  const core = create(spy);
  core.clear();
  core.setKey(noise(64));
  core.clear();
  core.clear();
  expect(spy.cleared).toEqual(Array(transforms).fill(true));
});

test.each(cores.flatMap((core) => Array.from({ length: core.transforms }, (_, failAt) => ({ ...core, failAt }))))(
  "when making transform $failAt of $name fails, what was made before is wiped",
  ({ create, failAt }) => {
    const spy = spyCipher(failAt);
    const alg = { name: "any", keyBytes: 64, ivBytes: 16, weakness: () => undefined, computedBy: "" };
    const cipher = new CheckedSkcipher({ ...alg, create: () => create(spy) });
    secrets.length = 0;
    expect(() => cipher.setKey(noise(64))).toThrow("out of memory");
    expect(spy.cleared).toEqual(Array(failAt).fill(true));
    expect(secrets.every(isZero)).toBe(true);
    expect(() => cipher.encrypt(new Uint8Array(512), new Uint8Array(512), 512, limbs(0n))).toThrow(/no key set/);
    onTestFinished(() => cipher.clear());
  },
);
