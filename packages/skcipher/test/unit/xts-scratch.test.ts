import { afterEach, describe, expect, test, vi } from "vitest";
import { CHUNK_BYTES } from "../../src/chunk.js";
import { createFastestXtsScratch, createWasmXtsScratch } from "../../src/node/wasm-xts-scratch.js";
import { createJsXtsScratch, XTS_TWEAKS_BYTES } from "../../src/xts-scratch.js";
import { noise } from "../support.js";

afterEach(() => vi.unstubAllGlobals());

/** One step of IEEE 1619 section 5.2 on a number. */
function timesAlpha(tweak: bigint): bigint {
  const doubled = tweak << 1n;
  return doubled < 2n ** 128n ? doubled : (doubled - 2n ** 128n) ^ 0x87n;
}

function blockToNumber(bytes: Uint8Array, at: number): bigint {
  return bytes.subarray(at, at + 16).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

describe.each([
  { name: "JavaScript", create: createJsXtsScratch },
  { name: "WebAssembly SIMD", create: createWasmXtsScratch },
])("scratch memory with a mask by $name", ({ name, create }) => {
  test("says so, and has room for a chunk and its tweaks", () => {
    const scratch = create();
    expect(scratch.kind).toBe(name);
    expect(scratch.data).toHaveLength(CHUNK_BYTES);
    expect(scratch.tweaks).toHaveLength(XTS_TWEAKS_BYTES);
  });

  test.each([
    [1, 4096],
    [2, 2048],
    [128, 32],
    [3, 32],
  ])("adds powers of alpha to %i data units of %i blocks, and to nothing else", (dataUnits, blocks) => {
    const scratch = create();
    const [data, tweaks] = [noise(CHUNK_BYTES, 3), noise(XTS_TWEAKS_BYTES, 5)];
    scratch.data.set(data);
    scratch.tweaks.set(tweaks);
    scratch.mask(dataUnits, blocks);
    for (let unit = 0; unit < dataUnits; unit++) {
      let tweak = blockToNumber(tweaks, 16 * unit);
      for (let block = 0; block < blocks; block++) {
        const at = 16 * (unit * blocks + block);
        expect(blockToNumber(scratch.data, at)).toBe(blockToNumber(data, at) ^ tweak);
        tweak = timesAlpha(tweak);
      }
    }
    const masked = 16 * dataUnits * blocks;
    expect(Buffer.compare(scratch.data.subarray(masked), data.subarray(masked))).toBe(0);
    expect(scratch.tweaks).toEqual(tweaks);
  });
});

describe("the fastest scratch memory", () => {
  test("masks by WebAssembly where there is SIMD", () => {
    expect(createFastestXtsScratch().kind).toBe("WebAssembly SIMD");
  });

  test("masks by JavaScript where there is no WebAssembly", () => {
    vi.stubGlobal("WebAssembly", undefined);
    expect(createFastestXtsScratch().kind).toBe("JavaScript");
  });

  test("masks by JavaScript where the module does not compile", () => {
    const Module = function refuse(): never {
      throw new Error("CompileError: wasm SIMD unsupported");
    };
    vi.stubGlobal("WebAssembly", { Module });
    expect(createFastestXtsScratch().kind).toBe("JavaScript");
  });
});
