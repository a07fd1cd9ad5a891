import { BlkBug, type KeyslotWaiter } from "@inlinecrypt/blk-core";

/** Keyslot waiters, first come first served, linked through `next`. */
export class WaiterList {
  first: KeyslotWaiter | null = null;
  #last: KeyslotWaiter | null = null;

  append(waiter: KeyslotWaiter): void {
    if (waiter.next !== null || waiter === this.#last) throw new BlkBug("a keyslot waiter waits twice");
    if (this.#last === null) this.first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
  }

  shift(): KeyslotWaiter | null {
    const waiter = this.first;
    if (waiter === null) return null;
    this.first = waiter.next;
    if (this.first === null) this.#last = null;
    waiter.next = null;
    return waiter;
  }

  /** Moves the waiters that `matches` accepts to the end of `target`; both lists keep their order. */
  moveMatching(matches: (waiter: KeyslotWaiter) => boolean, target: WaiterList): void {
    let rest = this.first;
    this.first = null;
    this.#last = null;
    while (rest !== null) {
      const waiter: KeyslotWaiter = rest;
      rest = waiter.next;
      waiter.next = null;
      (matches(waiter) ? target : this).append(waiter);
    }
  }
}
