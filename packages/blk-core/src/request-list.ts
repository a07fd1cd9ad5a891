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
    if (rq === null) return null;
    this.first = rq.next;
    if (this.first === null) this.last = null;
    else this.first.prev = null;
    rq.next = null;
    this.count--;
    return rq;
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
