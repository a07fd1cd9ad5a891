import type { BlkRequest } from "./blk-request.js";

/**
 * Requests sorted by sector, linked through the requests: a treap, so that insertion, removal and search cost O(log n)
 * with little code and no allocation. A request's sector must not change while it is in the tree.
 *
 * @kernel block/elevator.c: elv_rb_add, elv_rb_del, elv_rb_find
 */
export class RequestTree {
  #root: BlkRequest | null = null;
  /** State of the generator of priorities; any constant but zero. */
  #random = 0x9e3779b9;

  insert(rq: BlkRequest): void {
    rq.sortPriority = this.#nextPriority();
    rq.sortLeft = null;
    rq.sortRight = null;
    this.#root = insertAt(this.#root, rq);
  }

  remove(rq: BlkRequest): void {
    this.#root = removeFrom(this.#root, rq);
    rq.sortLeft = null;
    rq.sortRight = null;
  }

  /** The first request that starts at `sector` or after it. */
  firstFrom(sector: number): BlkRequest | null {
    let found: BlkRequest | null = null;
    for (let at = this.#root; at !== null; ) {
      if (at.sector < sector) {
        at = at.sortRight;
      } else {
        found = at;
        at = at.sortLeft;
      }
    }
    return found;
  }

  /** The last request that starts before `sector`. */
  lastBefore(sector: number): BlkRequest | null {
    let found: BlkRequest | null = null;
    for (let at = this.#root; at !== null; ) {
      if (at.sector < sector) {
        found = at;
        at = at.sortRight;
      } else {
        at = at.sortLeft;
      }
    }
    return found;
  }

  /** Xorshift: the same requests in the same order make the same tree. */
  #nextPriority(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x;
  }
}

/** Requests that start at one sector are sorted by their number, which is unique in a queue. */
function isBefore(a: BlkRequest, b: BlkRequest): boolean {
  return a.sector < b.sector || (a.sector === b.sector && a.index < b.index);
}

function insertAt(root: BlkRequest | null, rq: BlkRequest): BlkRequest {
  if (root === null) return rq;
  if (isBefore(rq, root)) {
    const left = insertAt(root.sortLeft, rq);
    root.sortLeft = left;
    return left.sortPriority > root.sortPriority ? rotateRight(root, left) : root;
  }
  const right = insertAt(root.sortRight, rq);
  root.sortRight = right;
  return right.sortPriority > root.sortPriority ? rotateLeft(root, right) : root;
}

function rotateRight(root: BlkRequest, left: BlkRequest): BlkRequest {
  root.sortLeft = left.sortRight;
  left.sortRight = root;
  return left;
}

function rotateLeft(root: BlkRequest, right: BlkRequest): BlkRequest {
  root.sortRight = right.sortLeft;
  right.sortLeft = root;
  return right;
}

function removeFrom(root: BlkRequest | null, rq: BlkRequest): BlkRequest | null {
  if (root === null) return null;
  if (root === rq) return join(root.sortLeft, root.sortRight);
  if (isBefore(rq, root)) root.sortLeft = removeFrom(root.sortLeft, rq);
  else root.sortRight = removeFrom(root.sortRight, rq);
  return root;
}

/** One tree of two, all of `before` in front of all of `after`. */
function join(before: BlkRequest | null, after: BlkRequest | null): BlkRequest | null {
  if (before === null) return after;
  if (after === null) return before;
  if (before.sortPriority > after.sortPriority) {
    before.sortRight = join(before.sortRight, after);
    return before;
  }
  after.sortLeft = join(before, after.sortLeft);
  return after;
}
