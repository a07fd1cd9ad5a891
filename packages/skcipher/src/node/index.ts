/**
 * The engine over node:crypto.
 *
 * @packageDocumentation
 */
import type { SkcipherEngine } from "../skcipher-engine.js";
import { createNodeEngineOver, fastestNodeEngineParts } from "./node-engine.js";
import { NodeWorkerEngine, type NodeWorkerEngineOptions } from "./worker-engine.js";

export type { NodeWorkerEngine, NodeWorkerEngineOptions };

/**
 * Makes the engine `"node"`: AES and SM4 by the OpenSSL inside node, the rest of XTS and Adiantum by WebAssembly SIMD, or by
 * JavaScript where that is missing; a cipher that OpenSSL lacks is computed as in the engine `"portable"`. Its ciphers share
 * 400 KiB of scratch memory.
 */
export function createNodeEngine(): SkcipherEngine {
  return createNodeEngineOver(fastestNodeEngineParts());
}

/**
 * Makes the engine `"node-worker"`: as `createNodeEngine`, and large requests can be computed by worker threads.
 *
 * @throws SkcipherError `EINVAL`: a worker count below 1
 */
export function createNodeWorkerEngine(options?: NodeWorkerEngineOptions): NodeWorkerEngine {
  return new NodeWorkerEngine(createNodeEngine(), options);
}
