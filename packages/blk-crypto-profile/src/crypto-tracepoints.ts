import { type BlkStatus, Tracepoint } from "@inlinecrypt/blk-core";
import type { BlkCryptoKey } from "./blk-crypto-key.js";

/**
 * What a profile does with its keyslots, step by step. Using a key where it is tells nobody: `slotTable` counts it.
 * The kernel has no such tracepoints.
 */
export class CryptoTracepoints {
  /** A driver has programmed a slot, or failed to (`status`), for I/O or after a reset. */
  readonly keyslotProgram: Tracepoint<[key: BlkCryptoKey, slotIndex: number, status: BlkStatus]> = new Tracepoint(
    "blk_crypto_keyslot_program",
  );
  /** A driver has removed a key from a slot, or failed to. */
  readonly keyslotEvict: Tracepoint<[key: BlkCryptoKey, slotIndex: number, status: BlkStatus]> = new Tracepoint(
    "blk_crypto_keyslot_evict",
  );
  /** I/O cannot have its slot at once. */
  readonly keyslotWait: Tracepoint<[key: BlkCryptoKey]> = new Tracepoint("blk_crypto_keyslot_wait");
  /** I/O that waited has its slot, after `waitedMs` on the executor's clock. */
  readonly keyslotGrant: Tracepoint<[key: BlkCryptoKey, slotIndex: number, waitedMs: number]> = new Tracepoint(
    "blk_crypto_keyslot_grant",
  );
}
