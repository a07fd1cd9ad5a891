import { afterEach, describe, expect, test, vi } from "vitest";
import { HEADER_KEY_AT, SOFT_KEYS_BYTES } from "../../src/adiantum-keys.js";
import { type AdiantumScratch, createJsAdiantumScratch, TWEAK_BYTES } from "../../src/adiantum-scratch.js";
import { CHUNK_BYTES, CHUNK_DATA_UNITS } from "../../src/chunk.js";
import { createFastestAdiantumScratch, createWasmAdiantumScratch } from "../../src/node/wasm-adiantum-scratch.js";
import { noise } from "../support.js";

afterEach(() => vi.unstubAllGlobals());

function toBytes(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

const P = 2n ** 130n - 5n;

/** Bits of the left half of a data unit of 512 bytes: the first block of its header. */
const LEFT_BITS = 8n * (512n - 16n);

describe.each([
  { name: "JavaScript", create: createJsAdiantumScratch },
  { name: "WebAssembly SIMD", create: createWasmAdiantumScratch },
])("scratch memory of Adiantum by $name", ({ name, create }) => {
  test("says so, and has room for a chunk and what belongs to it", () => {
    const scratch = create();
    expect(scratch.kind).toBe(name);
    expect(scratch.data).toHaveLength(CHUNK_BYTES);
    expect(scratch.tweaks).toHaveLength(CHUNK_DATA_UNITS * TWEAK_BYTES);
    expect(scratch.middles).toHaveLength(CHUNK_DATA_UNITS * 16);
    expect(scratch.softKeys).toHaveLength(SOFT_KEYS_BYTES);
  });

  // The key of the header's hash is 1, so that its hash is the sum of its blocks; that of the message is 0.
  test.each([P - 2n, P - 1n, P, P + 1n, P + 4n, P + 5n, 2n * P - 1n - 2n ** 100n])("Poly1305 reduces %i", (sum) => {
    const scratch = create();
    scratch.softKeys[HEADER_KEY_AT] = 1;
    const tweaks = sum - 3n * 2n ** 128n - LEFT_BITS;
    const first = tweaks < 2n ** 128n ? tweaks : 2n ** 128n - 1n;
    scratch.tweaks.set(toBytes(first, 16));
    scratch.tweaks.set(toBytes(tweaks - first, 16), 16);
    scratch.hashToMiddles(1, 512);
    expect(toNumber(scratch.middles.subarray(0, 16))).toBe((sum % P) % 2n ** 128n);
  });

  test("what is added to a right half wraps at 2^128, and is taken off again", () => {
    const scratch = create();
    scratch.softKeys[HEADER_KEY_AT] = 1;
    const hash = (3n * 2n ** 128n + LEFT_BITS) % 2n ** 128n;
    const right = 2n ** 128n - 1n;
    scratch.data.set(toBytes(right, 16), 496);
    scratch.hashToMiddles(1, 512);
    expect(toNumber(scratch.middles.subarray(0, 16))).toBe((right + hash) % 2n ** 128n);
    scratch.data.fill(0, 496, 512);
    scratch.hashFromMiddles(1, 512);
    expect(toNumber(scratch.data.subarray(496, 512))).toBe(right);
    // A middle smaller than the hash.
    scratch.data.set(toBytes(0n, 16), 496);
    scratch.hashToMiddles(1, 512);
    scratch.middles.fill(0);
    scratch.hashFromMiddles(1, 512);
    expect(toNumber(scratch.data.subarray(496, 512))).toBe(2n ** 128n - hash);
  });

  test("touches the data units it is told, and nothing behind them", () => {
    const scratch = create();
    scratch.data.set(noise(CHUNK_BYTES));
    scratch.softKeys.set(noise(SOFT_KEYS_BYTES));
    scratch.hashToMiddles(3, 1024);
    scratch.addStream(3, 1024);
    scratch.hashFromMiddles(3, 1024);
    expect(Buffer.compare(scratch.data.subarray(3072), noise(CHUNK_BYTES).subarray(3072))).toBe(0);
    expect(Buffer.compare(scratch.data.subarray(2048, 3072), noise(CHUNK_BYTES).subarray(2048, 3072))).not.toBe(0);
    expect(scratch.softKeys).toEqual(noise(SOFT_KEYS_BYTES));
  });
});

/** The data after both hashes and the stream. */
function transformed(scratch: AdiantumScratch, fill: (bytes: Uint8Array) => void, dataUnits: number): Uint8Array {
  fill(scratch.data);
  fill(scratch.tweaks);
  fill(scratch.softKeys);
  const dataUnitBytes = CHUNK_BYTES / dataUnits;
  scratch.hashToMiddles(dataUnits, dataUnitBytes);
  scratch.addStream(dataUnits, dataUnitBytes);
  scratch.hashFromMiddles(dataUnits, dataUnitBytes);
  return scratch.data;
}

test.each([1, 2, 8, 128])(
  "both agree on the extremes, where sums and products are largest, %i data units",
  (dataUnits) => {
    for (const fill of [(bytes: Uint8Array) => bytes.fill(0xff), (bytes: Uint8Array) => bytes.fill(0)]) {
      const [js, wasm] = [createJsAdiantumScratch(), createWasmAdiantumScratch()];
      expect(Buffer.compare(transformed(wasm, fill, dataUnits), transformed(js, fill, dataUnits))).toBe(0);
    }
  },
);

describe("the fastest scratch memory of Adiantum", () => {
  test("is WebAssembly where there is SIMD", () => {
    expect(createFastestAdiantumScratch().kind).toBe("WebAssembly SIMD");
  });

  test("is JavaScript where there is no WebAssembly", () => {
    vi.stubGlobal("WebAssembly", undefined);
    expect(createFastestAdiantumScratch().kind).toBe("JavaScript");
  });
});
