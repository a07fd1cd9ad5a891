import { SOFT_KEYS_BYTES } from "../adiantum-keys.js";
import { type AdiantumScratch, createJsAdiantumScratch, TWEAK_BYTES } from "../adiantum-scratch.js";
import { BLOCK_BYTES } from "../block-cipher.js";
import { CHUNK_BYTES, CHUNK_DATA_UNITS } from "../chunk.js";
import { ADIANTUM_WASM_BASE64 } from "./adiantum-wasm.js";
import { firstThatWorks, instantiateWasm, type WasmMemory } from "./wasm-module.js";

/** A constant that the module exports. */
interface WasmAddress {
  readonly value: number;
}

type HalfOfDataUnits = (dataUnits: number, dataUnitBytes: number) => void;

interface AdiantumExports {
  readonly memory: WasmMemory;
  readonly DATA_AT: WasmAddress;
  readonly TWEAKS_AT: WasmAddress;
  readonly MIDDLES_AT: WasmAddress;
  readonly SOFT_KEYS_AT: WasmAddress;
  readonly hashToMiddles: HalfOfDataUnits;
  readonly addStream: HalfOfDataUnits;
  readonly hashFromMiddles: HalfOfDataUnits;
}

/**
 * Scratch memory inside a WebAssembly module that computes with SIMD instructions. All that the module computes with is in that
 * memory.
 *
 * @throws whatever the runtime throws when it has no WebAssembly (`node --jitless`) or no SIMD
 */
export function createWasmAdiantumScratch(): AdiantumScratch {
  const wasm = instantiateWasm<AdiantumExports>(ADIANTUM_WASM_BASE64);
  const memory = wasm.memory.buffer;
  return {
    kind: "WebAssembly SIMD",
    data: new Uint8Array(memory, wasm.DATA_AT.value, CHUNK_BYTES),
    tweaks: new Uint8Array(memory, wasm.TWEAKS_AT.value, CHUNK_DATA_UNITS * TWEAK_BYTES),
    middles: new Uint8Array(memory, wasm.MIDDLES_AT.value, CHUNK_DATA_UNITS * BLOCK_BYTES),
    softKeys: new Uint8Array(memory, wasm.SOFT_KEYS_AT.value, SOFT_KEYS_BYTES),
    hashToMiddles: wasm.hashToMiddles,
    addStream: wasm.addStream,
    hashFromMiddles: wasm.hashFromMiddles,
    wipe: () => {
      new Uint8Array(memory).fill(0);
    },
  };
}

/** The fastest scratch memory that works here. */
export function createFastestAdiantumScratch(): AdiantumScratch {
  return firstThatWorks(createWasmAdiantumScratch, createJsAdiantumScratch);
}
