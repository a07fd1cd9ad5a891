import { BlkError } from "@inlinecrypt/blk-core";

interface EventWaiter {
  readonly after: number;
  readonly resolve: (count: number) => void;
  readonly reject: (error: BlkError) => void;
  readonly name: string;
}

/** Counts events, and lets others wait for the next. @kernel drivers/md/dm.c: mapped_device.event_nr */
export class EventCounter {
  #count = 0;
  #waiters: EventWaiter[] = [];
  #closed = false;

  get count(): number {
    return this.#count;
  }

  emit(): void {
    this.#count++;
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ after }) => after >= this.#count);
    for (const waiter of waiters) if (waiter.after < this.#count) waiter.resolve(this.#count);
  }

  /** Resolves with the count once it is more than `after`. @throws BlkError ENXIO at `close` and after it. */
  async wait(after: number, name: string): Promise<number> {
    if (this.#closed) throw removed(name);
    if (this.#count > after) return this.#count;
    return new Promise((resolve, reject) => this.#waiters.push({ after, resolve, reject, name }));
  }

  /** Nothing will happen any more. */
  close(): void {
    this.#closed = true;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject, name } of waiters) reject(removed(name));
  }
}

function removed(name: string): BlkError {
  return new BlkError("ENXIO", name, "the device has been removed");
}
