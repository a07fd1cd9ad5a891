import type { ProfileKeyslot } from "./keyslot.js";

/**
 * The idle slots in the order in which their last reference was dropped. A slot that is got again stays linked until
 * `oldest` comes across it: one that is got and put over and over, as most are, then costs no relinking.
 */
export class IdleSlots {
  #first: ProfileKeyslot | null = null;
  #last: ProfileKeyslot | null = null;

  /** The idle slot that is next to be replaced; it keeps its place. Null: all are in use. */
  oldest(): ProfileKeyslot | null {
    while (this.#first !== null && this.#first.references > 0) this.remove(this.#first);
    return this.#first;
  }

  /** The slot has just fallen idle: it is the last to be replaced. */
  append(slot: ProfileKeyslot): void {
    if (slot !== this.#last) this.#append(slot);
  }

  #append(slot: ProfileKeyslot): void {
    if (slot.prevIdle !== null || slot === this.#first) this.remove(slot);
    slot.prevIdle = this.#last;
    if (this.#last === null) this.#first = slot;
    else this.#last.nextIdle = slot;
    this.#last = slot;
  }

  remove(slot: ProfileKeyslot): void {
    if (slot.prevIdle === null) this.#first = slot.nextIdle;
    else slot.prevIdle.nextIdle = slot.nextIdle;
    if (slot.nextIdle === null) this.#last = slot.prevIdle;
    else slot.nextIdle.prevIdle = slot.prevIdle;
    slot.nextIdle = null;
    slot.prevIdle = null;
  }
}
