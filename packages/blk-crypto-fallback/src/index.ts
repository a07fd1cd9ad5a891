/**
 * The software fallback of inline encryption: any block device serves encryption contexts.
 *
 * @packageDocumentation
 */
export { BlkCryptoFallback, type BlkCryptoFallbackOptions } from "./blk-crypto-fallback.js";
