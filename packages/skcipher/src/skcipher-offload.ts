import { DUN_LIMBS, type Skcipher } from "./skcipher.js";
import type { SkcipherEngine } from "./skcipher-engine.js";

/** Memory that an engine's other threads see too. It lives as long as the engine. */
export interface SharedMemory {
  readonly bytes: Uint8Array;
  /** Its number in the engine, from 0. */
  readonly index: number;
}

/**
 * A computation off the event loop, in place, from the start of a shared memory. Embed one in whatever waits for it and
 * use it again and again; nothing is allocated for a computation.
 *
 * @kernel include/crypto/skcipher.h: struct skcipher_request
 */
export class SkcipherRequest {
  /** The engine's until the request completes: nobody else reads or writes it. */
  memory: SharedMemory | null = null;
  /** How much of the memory, whole data units. */
  bytes = 0;
  dataUnitBytes = 0;
  /** DUN of the first data unit; not modified. */
  readonly dun: Uint32Array = new Uint32Array(DUN_LIMBS);
  /**
   * Called once, never inside the call that submitted the request. With an error the memory holds neither plaintext nor
   * ciphertext but anything of both.
   */
  readonly complete: (error: Error | null) => void;

  constructor(complete: (error: Error | null) => void) {
    this.complete = complete;
  }
}

/**
 * A cipher that can also compute beside the event loop. Its synchronous calls work as ever, also while requests are under
 * way. A request uses the key that is set when it is submitted.
 *
 * @kernel crypto/skcipher.c: an algorithm with CRYPTO_ALG_ASYNC
 */
export interface OffloadSkcipher extends Skcipher {
  /**
   * Whether `bytes` are enough to be worth it, and there is room for a request now. If not, compute on the event loop:
   * I/O is not kept waiting for a helper that is busy, starting or broken.
   */
  offloads(bytes: number): boolean;

  /**
   * Encrypts in place, off the event loop; only right after {@link OffloadSkcipher.offloads} has said yes.
   *
   * @throws SkcipherError `ENOKEY`: no key set; `EINVAL`: lengths, unit size, or memory of another engine.
   * `request.complete` is then not called.
   */
  encryptOff(request: SkcipherRequest): void;

  /** Decrypts in place; as {@link OffloadSkcipher.encryptOff}. */
  decryptOff(request: SkcipherRequest): void;
}

/** An engine whose ciphers can compute beside the event loop. */
export interface OffloadEngine extends SkcipherEngine {
  alloc(cipherName: string): OffloadSkcipher;
  /** Makes memory for requests. It is not freed before the engine is. */
  allocShared(bytes: number): SharedMemory;
}

/** Whether an engine's ciphers can compute beside the event loop. */
export function isOffloadEngine(engine: SkcipherEngine): engine is OffloadEngine {
  return "allocShared" in engine;
}
