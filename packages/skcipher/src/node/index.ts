/**
 * The engine over node:crypto.
 *
 * @packageDocumentation
 */
import type { SkcipherEngine } from "../skcipher-engine.js";
import { createNodeEngineOver } from "./node-engine.js";
import { createFastestXtsScratch } from "./wasm-xts-scratch.js";

/**
 * Makes the engine `"node"`: AES by the OpenSSL inside node, XTS tweaks by WebAssembly SIMD, or by JavaScript where that is
 * missing. Its ciphers share 128 KiB of scratch memory.
 */
export function createNodeEngine(): SkcipherEngine {
  return createNodeEngineOver(createFastestXtsScratch());
}
