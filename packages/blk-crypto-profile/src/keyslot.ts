import type { CryptoKeyRef, Keyslot } from "@inlinecrypt/blk-core";
import { asBlkCryptoKey } from "./blk-crypto-key.js";
import type { CryptoModeName } from "./crypto-modes.js";

/** One slot, for people to look at. */
export interface KeyslotInfo {
  slotIndex: number;
  /** Mode and data unit of the key it holds; null when empty. */
  key: { mode: CryptoModeName; dataUnitBytes: number } | null;
  /** I/O that uses it now. */
  references: number;
  /** How often a key has been programmed into it. */
  programmings: number;
  /** How often I/O has found its key in it. */
  hits: number;
  /** How often I/O got it only after a while: all slots were in use, or the driver took its time. */
  waits: number;
  /** How often a key was evicted from it; being replaced by another is a programming. */
  evictions: number;
  /** The longest of those waits, in milliseconds of the executor's clock. */
  longestWaitMs: number;
}

/** A slot as its profile keeps it. @kernel block/blk-crypto-profile.c: blk_crypto_keyslot */
export class ProfileKeyslot implements Keyslot {
  readonly slotIndex: number;
  /** The key it holds; null when empty, unlinked, or not to be trusted. */
  key: CryptoKeyRef | null = null;
  /** Keys that may still be in the hardware's slot, because programming has failed or runs. */
  readonly #suspects: CryptoKeyRef[] = [];
  /** I/O that uses it now; 0: idle. */
  references = 0;
  /** Neighbours in `IdleSlots`. */
  nextIdle: ProfileKeyslot | null = null;
  prevIdle: ProfileKeyslot | null = null;
  // As in `KeyslotInfo`.
  programmings = 0;
  hits = 0;
  waits = 0;
  evictions = 0;
  longestWaitMs = 0;

  constructor(slotIndex: number) {
    this.slotIndex = slotIndex;
  }

  /** Whether evicting `key` has to empty the slot. */
  mayHold(key: CryptoKeyRef): boolean {
    return this.key === key || this.#suspects.includes(key);
  }

  /** `attempted` is, or was, about to replace what it holds: nobody knows what is in it until that has succeeded. */
  distrust(attempted: CryptoKeyRef): void {
    if (this.key !== null) this.#suspects.push(this.key);
    this.key = null;
    if (!this.#suspects.includes(attempted)) this.#suspects.push(attempted);
  }

  /** It holds this key for certain, or nothing that counts. */
  hold(key: CryptoKeyRef | null): void {
    this.key = key;
    this.#suspects.length = 0;
  }

  countWait(waitedMs: number): void {
    this.waits++;
    this.longestWaitMs = Math.max(this.longestWaitMs, waitedMs);
  }

  info(): KeyslotInfo {
    const { slotIndex, key, references, programmings, hits, waits, evictions, longestWaitMs } = this;
    const shown = key && { mode: asBlkCryptoKey(key).mode.name, dataUnitBytes: key.dataUnitBytes };
    return { slotIndex, key: shown, references, programmings, hits, waits, evictions, longestWaitMs };
  }
}
