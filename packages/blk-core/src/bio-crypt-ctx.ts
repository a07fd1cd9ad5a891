import type { CryptoKeyRef } from "./blk-crypto.js";
import { copyDun, type Dun, dunIncrement, dunIsContiguous, newDun } from "./dun.js";
import { BlkBug } from "./errors.js";

/**
 * How a bio's or request's data is en- or decrypted: a key, and the DUN of the first data unit. The direction follows
 * from the operation.
 *
 * @kernel include/linux/blk-crypto.h: bio_crypt_ctx
 */
export class BioCryptCtx {
  key: CryptoKeyRef | null = null;
  readonly dun: Dun = newDun();

  set(key: CryptoKeyRef, dun: Dun): void {
    this.key = key;
    copyDun(this.dun, dun);
  }

  /** Takes over another context's key and DUN. */
  copyFrom(from: BioCryptCtx): void {
    this.key = from.key;
    copyDun(this.dun, from.dun);
  }

  /** Moves past `bytes` of data, a multiple of the data unit. @kernel block/blk-crypto.c: __bio_crypt_advance */
  advance(bytes: number): void {
    dunIncrement(this.dun, this.dataUnits(bytes));
  }

  /** How many data units `bytes` are, at most `BIO_MAX_BYTES`. */
  dataUnits(bytes: number): number {
    if (this.key === null) throw new BlkBug("a crypto context without a key is in use");
    return bytes >>> this.key.dataUnitBits;
  }
}

/**
 * Whether two neighbours in a request may carry these contexts: both none, or the same key object.
 *
 * @kernel block/blk-crypto.c: bio_crypt_ctx_compatible
 */
export function bioCryptCtxCompatible(a: BioCryptCtx | null, b: BioCryptCtx | null): boolean {
  if (a === null || b === null) return a === b;
  return a.key === b.key;
}

/**
 * Whether data with context `next` may follow `bytes` of data with context `first` in one request.
 *
 * @kernel block/blk-crypto.c: bio_crypt_ctx_mergeable
 */
export function bioCryptCtxMergeable(first: BioCryptCtx | null, bytes: number, next: BioCryptCtx | null): boolean {
  if (!bioCryptCtxCompatible(first, next)) return false;
  return first === null || next === null || dunIsContiguous(first.dun, first.dataUnits(bytes), next.dun);
}
