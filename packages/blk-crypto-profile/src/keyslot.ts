import type { CryptoKeyRef, Keyslot } from "@inlinecrypt/blk-core";

/** A slot as its profile keeps it. @kernel block/blk-crypto-profile.c: blk_crypto_keyslot */
export class ProfileKeyslot implements Keyslot {
  readonly slotIndex: number;
  /** The key it holds; null when empty, unlinked, or not to be trusted. */
  key: CryptoKeyRef | null = null;
  /** I/O that uses it now; 0: idle. */
  references = 0;
  /** Successful programmings so far. */
  programmings = 0;
  /** Neighbours in the list of idle slots. */
  nextIdle: ProfileKeyslot | null = null;
  prevIdle: ProfileKeyslot | null = null;

  constructor(slotIndex: number) {
    this.slotIndex = slotIndex;
  }
}

/** The idle slots in the order in which their last reference was dropped: the first is the next to be replaced. */
export class IdleSlots {
  first: ProfileKeyslot | null = null;
  #last: ProfileKeyslot | null = null;

  append(slot: ProfileKeyslot): void {
    slot.prevIdle = this.#last;
    if (this.#last === null) this.first = slot;
    else this.#last.nextIdle = slot;
    this.#last = slot;
  }

  remove(slot: ProfileKeyslot): void {
    if (slot.prevIdle === null) this.first = slot.nextIdle;
    else slot.prevIdle.nextIdle = slot.nextIdle;
    if (slot.nextIdle === null) this.#last = slot.prevIdle;
    else slot.nextIdle.prevIdle = slot.prevIdle;
    slot.nextIdle = null;
    slot.prevIdle = null;
  }
}
