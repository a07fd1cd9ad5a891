import { CHUNK_BYTES } from "../chunk.js";
import { createJsXtsScratch, XTS_TWEAKS_BYTES, type XtsScratch } from "../xts-scratch.js";
import { firstThatWorks, instantiateWasm, type WasmMemory } from "./wasm-module.js";
import { XTS_MASK_WASM_BASE64 } from "./xts-mask-wasm.js";

interface XtsMaskExports {
  readonly memory: WasmMemory;
  mask(data: number, tweaks: number, dataUnits: number, blocksPerDataUnit: number): void;
}

/** Address of the data in the module's memory; the tweaks follow. */
const DATA_AT = 0;
const TWEAKS_AT = DATA_AT + CHUNK_BYTES;

/**
 * Scratch memory inside a WebAssembly module that masks with SIMD instructions.
 *
 * @throws whatever the runtime throws when it has no WebAssembly (`node --jitless`) or no SIMD
 */
export function createWasmXtsScratch(): XtsScratch {
  const { memory, mask } = instantiateWasm<XtsMaskExports>(XTS_MASK_WASM_BASE64);
  return {
    kind: "WebAssembly SIMD",
    data: new Uint8Array(memory.buffer, DATA_AT, CHUNK_BYTES),
    tweaks: new Uint8Array(memory.buffer, TWEAKS_AT, XTS_TWEAKS_BYTES),
    mask: (dataUnits, blocksPerDataUnit) => mask(DATA_AT, TWEAKS_AT, dataUnits, blocksPerDataUnit),
  };
}

/** The fastest scratch memory that works here. */
export function createFastestXtsScratch(): XtsScratch {
  return firstThatWorks(createWasmXtsScratch, createJsXtsScratch);
}
