/**
 * The computing half of a cipher. Its callers have checked every argument: a key of the right length that is not weak, a
 * request as `Skcipher.encrypt` demands it, and a key set before the first request.
 */
export interface CipherCore {
  /** The key is in memory as of `secretCopy`, and wiped as soon as this returns. */
  setKey(key: Uint8Array): void;
  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void;
  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void;
  /** Forgets the key and wipes what came of it; idempotent. */
  clear(): void;
}

/** One way to compute a cipher. */
export interface AlgImplementation {
  create(): CipherCore;
  /** What computes it, for people to read. */
  readonly computedBy: string;
  /** Why it is not computed the way its engine prefers; absent if it is. */
  readonly fallbackReason?: string;
}

/**
 * One entry of an engine's cipher table.
 *
 * @kernel include/crypto/skcipher.h: struct skcipher_alg
 */
export interface SkcipherAlg extends AlgImplementation {
  readonly name: string;
  readonly keyBytes: number;
  readonly ivBytes: number;
  /** Why a key of the right length must not be used; undefined if it may. */
  weakness(key: Uint8Array): string | undefined;
}
