import { BlkBug } from "@inlinecrypt/blk-core";

/**
 * One holder of, or waiter for, a range of a disk. Embed one in whatever takes the lock: locking allocates nothing.
 */
export class RangeLockEntry {
  next: RangeLockEntry | null = null;
  prev: RangeLockEntry | null = null;
  /** First byte. */
  start = 0;
  /** First byte after the range. */
  end = 0;
  exclusive = false;
  /** Whether it is in the lock's list. */
  linked = false;
  /** Earlier entries that have to go first; 0: the range is held. */
  blockerCount = 0;
  /** Called once when a range that had to wait is held. */
  readonly granted: () => void;

  constructor(granted: () => void) {
    this.granted = granted;
  }
}

/**
 * Keeps read-modify-write cycles apart from everything else that touches their blocks. A cycle holds its range
 * exclusively; reads and writes of whole blocks hold theirs shared and never wait for each other.
 *
 * First come, first served: an entry waits for every earlier entry that it overlaps if one of the two is exclusive, and
 * for nothing else. While there is no exclusive entry, taking and releasing a range is O(1); else it is one pass over
 * the entries, which the connections' in-flight limits bound.
 */
export class RangeLock {
  #first: RangeLockEntry | null = null;
  #last: RangeLockEntry | null = null;
  #exclusiveCount = 0;
  #waiterCount = 0;

  /** Whether nobody holds or waits for anything. */
  get isIdle(): boolean {
    return this.#first === null;
  }

  /**
   * Takes bytes `start` to `end`. True: held. False: `granted` will be called.
   *
   * @context hot
   */
  acquire(entry: RangeLockEntry, start: number, end: number, exclusive: boolean): boolean {
    if (entry.linked) throw new BlkBug("a range lock entry is used twice at a time");
    entry.start = start;
    entry.end = end;
    entry.exclusive = exclusive;
    if (exclusive || this.#exclusiveCount > 0) entry.blockerCount = this.#countBlockers(entry);
    if (exclusive) this.#exclusiveCount++;
    if (entry.blockerCount > 0) this.#waiterCount++;
    this.#append(entry);
    return entry.blockerCount === 0;
  }

  /** Gives a held range back, and to those that waited for it alone. */
  release(entry: RangeLockEntry): void {
    if (!entry.linked || entry.blockerCount > 0) throw new BlkBug("a range is released that is not held");
    let later = entry.next;
    this.#unlink(entry);
    if (entry.exclusive) this.#exclusiveCount--;
    while (this.#waiterCount > 0 && later !== null) {
      const waiter = later;
      later = later.next;
      if (waiter.blockerCount > 0 && conflict(entry, waiter)) this.#unblock(waiter);
    }
  }

  #unblock(waiter: RangeLockEntry): void {
    waiter.blockerCount--;
    if (waiter.blockerCount > 0) return;
    this.#waiterCount--;
    waiter.granted();
  }

  #countBlockers(entry: RangeLockEntry): number {
    let count = 0;
    for (let earlier = this.#first; earlier !== null; earlier = earlier.next) if (conflict(earlier, entry)) count++;
    return count;
  }

  #append(entry: RangeLockEntry): void {
    entry.linked = true;
    entry.prev = this.#last;
    if (this.#last === null) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
  }

  #unlink(entry: RangeLockEntry): void {
    if (entry.prev === null) this.#first = entry.next;
    else entry.prev.next = entry.next;
    if (entry.next === null) this.#last = entry.prev;
    else entry.next.prev = entry.prev;
    entry.next = null;
    entry.prev = null;
    entry.linked = false;
  }
}

function conflict(a: RangeLockEntry, b: RangeLockEntry): boolean {
  return (a.exclusive || b.exclusive) && a.start < b.end && b.start < a.end;
}
