import type { Skcipher } from "./skcipher.js";

/** What {@link SkcipherEngine.describe} tells of one cipher. */
export interface SkcipherAlgStatus {
  /** Crypto-API name. */
  readonly cipher: string;
  /** Whether it passed its self-test. */
  readonly available: boolean;
  /** What computes it here, for people to read. */
  readonly computedBy: string;
  /** Why it is not available, or why it is not computed the way this engine prefers; absent if neither. */
  readonly reason?: string;
}

/** What {@link SkcipherEngine.describe} tells. */
export interface SkcipherEngineStatus {
  readonly name: string;
  /** Whether ciphers can be allocated here; found by running the self-tests. */
  readonly available: boolean;
  /** Why not, when not available. */
  readonly reason?: string;
  /** Supported crypto-API names; empty when not available. */
  readonly ciphers: readonly string[];
  /** Each cipher of the engine, available or not. */
  readonly algorithms: readonly SkcipherAlgStatus[];
  /** What the engine computes with here, for people to read. */
  readonly detail: string;
}

/**
 * Allocates ciphers by crypto-API name. Engines produce the same bytes and differ in speed and in where they run.
 *
 * An engine tests each cipher against a known answer before it hands out the first one, and refuses the cipher for good
 * when the answer is wrong (as the kernel's crypto manager does).
 */
export interface SkcipherEngine {
  /** Short name, e.g. `"node"`. */
  readonly name: string;
  /** Crypto-API names this engine implements. */
  readonly ciphers: readonly string[];

  /** Whether `cipherName` is one of {@link SkcipherEngine.ciphers}. */
  supports(cipherName: string): boolean;

  /**
   * Allocates a cipher without a key.
   *
   * @throws SkcipherError `ENOENT`: no such cipher here (the message lists those there are); `ELIBBAD`: the self-test
   * failed.
   * @kernel crypto/skcipher.c: crypto_alloc_skcipher
   */
  alloc(cipherName: string): Skcipher;

  /** Tells what runs here, and why not. Never throws. */
  describe(): SkcipherEngineStatus;
}
