import type { CryptoKeyRef } from "@inlinecrypt/blk-core";

/**
 * The keys that I/O of a mapped device has used and nobody has evicted: what a device that leaves the table may still
 * hold. (The kernel does not know, and leaves them there.)
 */
export class KeyTracker {
  readonly #keys = new Set<CryptoKeyRef>();
  #last: CryptoKeyRef | null = null;

  /** I/O uses a key; most uses the same as the last. @context hot */
  note(key: CryptoKeyRef): void {
    if (key === this.#last) return;
    this.#last = key;
    this.#keys.add(key);
  }

  /** A key is evicted. */
  forget(key: CryptoKeyRef): void {
    if (key === this.#last) this.#last = null;
    this.#keys.delete(key);
  }

  has(key: CryptoKeyRef): boolean {
    return this.#keys.has(key);
  }

  clear(): void {
    this.#last = null;
    this.#keys.clear();
  }

  keys(): CryptoKeyRef[] {
    return [...this.#keys];
  }
}
