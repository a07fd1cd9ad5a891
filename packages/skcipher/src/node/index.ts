/**
 * The engine over node:crypto.
 *
 * @packageDocumentation
 */
import type { SkcipherEngine } from "../skcipher-engine.js";
import { createNodeEngineOver } from "./node-engine.js";
import { createFastestXtsScratch } from "./wasm-xts-scratch.js";
import { NodeWorkerEngine, type NodeWorkerEngineOptions } from "./worker-engine.js";

export type { NodeWorkerEngine, NodeWorkerEngineOptions };

/**
 * Makes the engine `"node"`: AES by the OpenSSL inside node, XTS tweaks by WebAssembly SIMD, or by JavaScript where that is
 * missing. Its ciphers share 128 KiB of scratch memory.
 */
export function createNodeEngine(): SkcipherEngine {
  return createNodeEngineOver(createFastestXtsScratch());
}

/**
 * Makes the engine `"node-worker"`: as `createNodeEngine`, and large requests can be computed by worker threads.
 *
 * @throws SkcipherError `EINVAL`: a worker count below 1
 */
export function createNodeWorkerEngine(options?: NodeWorkerEngineOptions): NodeWorkerEngine {
  return new NodeWorkerEngine(createNodeEngine(), options);
}
