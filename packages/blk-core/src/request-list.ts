import type { BlkRequest } from "./blk-request.js";
import { BlkBug } from "./errors.js";

/** A list of requests linked through the requests: any end, any place, no allocation. */
export class RequestList {
  first: BlkRequest | null = null;
  last: BlkRequest | null = null;
  count = 0;

  append(rq: BlkRequest): void {
    this.#checkFree(rq);
    rq.prev = this.last;
    if (this.last === null) this.first = rq;
    else this.last.next = rq;
    this.last = rq;
    this.count++;
  }

  prepend(rq: BlkRequest): void {
    this.#checkFree(rq);
    rq.next = this.first;
    if (this.first === null) this.last = rq;
    else this.first.prev = rq;
    this.first = rq;
    this.count++;
  }

  shift(): BlkRequest | null {
    const rq = this.first;
    if (rq !== null) this.remove(rq);
    return rq;
  }

  /** Takes a request of this list out, wherever it is. */
  remove(rq: BlkRequest): void {
    if (rq.prev === null) this.first = rq.next;
    else rq.prev.next = rq.next;
    if (rq.next === null) this.last = rq.prev;
    else rq.next.prev = rq.prev;
    rq.next = null;
    rq.prev = null;
    this.count--;
  }

  /** Puts `rq`, which is in no list, where `old` is, which is then in none. */
  replace(old: BlkRequest, rq: BlkRequest): void {
    this.#checkFree(rq);
    rq.prev = old.prev;
    rq.next = old.next;
    if (rq.prev === null) this.first = rq;
    else rq.prev.next = rq;
    if (rq.next === null) this.last = rq;
    else rq.next.prev = rq;
    old.next = null;
    old.prev = null;
  }

  /** Takes over all requests of `other`, in order; this list must be empty. */
  takeAll(other: RequestList): void {
    if (this.first !== null) throw new BlkBug("a request list is overwritten");
    this.first = other.first;
    this.last = other.last;
    this.count = other.count;
    other.first = null;
    other.last = null;
    other.count = 0;
  }

  #checkFree(rq: BlkRequest): void {
    if (rq.next !== null || rq.prev !== null || this.first === rq)
      throw new BlkBug("a request is put into a second list");
  }
}
