/**
 * Length-preserving disk ciphers by Linux crypto-API name: interface, limits and errors. The engines are subpaths:
 * `@inlinecrypt/skcipher/portable` and `@inlinecrypt/skcipher/node`.
 *
 * @packageDocumentation
 */
export { DUN_LIMBS, MAX_DATA_UNIT_BYTES, MIN_DATA_UNIT_BYTES, type Skcipher } from "./skcipher.js";
export type { SkcipherAlgStatus, SkcipherEngine, SkcipherEngineStatus } from "./skcipher-engine.js";
export { SKCIPHER_ERRNO, SkcipherError, type SkcipherErrorCode } from "./skcipher-error.js";
export {
  isOffloadEngine,
  type OffloadEngine,
  type OffloadSkcipher,
  type SharedMemory,
  SkcipherRequest,
} from "./skcipher-offload.js";
