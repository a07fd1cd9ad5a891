/**
 * Hardware-wrapped keys without the hardware: what a system-on-chip's key manager does, for any driver's `LlOps`.
 *
 * @packageDocumentation
 */
import { BlkError } from "@inlinecrypt/blk-core";
import { deriveInlineKey, deriveSwSecret, INLINE_KEY_BYTES, ROOT_KEY_BYTES } from "./hw-kdf.js";
import { KeyWrapper, type RandomBytes } from "./key-wrapper.js";
import type { WrappedKeyOps } from "./ll-ops.js";
import { secretBytes } from "./secret-bytes.js";

export type { RandomBytes } from "./key-wrapper.js";

export interface EmulatedWrappedKeysOptions {
  /**
   * The key fused into the hardware, 32 bytes, copied: long-term blobs work wherever it is the same.
   *
   * @default random bytes: long-term blobs end with this object
   */
  hardwareKey?: Uint8Array;
  /** Where keys and nonces come from. @default globalThis.crypto.getRandomValues */
  randomBytes?: RandomBytes;
}

/**
 * A key manager such as the one in a phone's system-on-chip. Raw and generated keys leave it only wrapped: by a key fused
 * into the hardware for the long term, or by one made anew at every boot. From a key so wrapped it derives the inline
 * encryption key, which only the crypto engine sees, and the software secret.
 *
 * Keys are random or 32 bytes long; blobs have 60 bytes. Nothing shown of this object contains a key.
 *
 * @kernel Documentation/block/inline-encryption.rst: Hardware-wrapped keys
 */
export class EmulatedWrappedKeys {
  /** For a driver: `llOps: { keyslotProgram, keyslotEvict, ...wrappedKeys.llOps }`. */
  readonly llOps: WrappedKeyOps = {
    importKey: (rawKey, ltKey) => this.#importKey(rawKey, ltKey),
    generateKey: (ltKey) => this.#generateKey(ltKey),
    prepareKey: (ltKey, ephKey) => this.#prepareKey(ltKey, ephKey),
    deriveSwSecret: (ephKey, swSecret) => this.#deriveSwSecret(ephKey, swSecret),
  };
  readonly #randomBytes: RandomBytes;
  readonly #longTerm: KeyWrapper;
  #ephemeral: KeyWrapper;

  /** @throws BlkError EINVAL for a hardware key of another length. */
  constructor(options: EmulatedWrappedKeysOptions = {}) {
    const { hardwareKey, randomBytes = randomValues } = options;
    if (hardwareKey !== undefined) checkLength("hardwareKey", hardwareKey, ROOT_KEY_BYTES);
    this.#randomBytes = randomBytes;
    this.#longTerm = this.#newWrapper("long-term", hardwareKey);
    this.#ephemeral = this.#newWrapper("ephemeral");
  }

  /**
   * For the driver's crypto engine: the 64 bytes it encrypts with when a slot is programmed with this blob. The caller
   * wipes them.
   *
   * @throws BlkError EBADMSG when it is no ephemeral blob of this boot.
   */
  unwrapInlineKey(ephKey: Uint8Array): Uint8Array {
    const inlineKey = secretBytes(INLINE_KEY_BYTES);
    this.#withRootKey(this.#ephemeral, ephKey, "keyslot_program", (rootKey) => deriveInlineKey(rootKey, inlineKey));
    return inlineKey;
  }

  /** As a reboot: ephemeral blobs made so far are worth nothing, long-term blobs are as good as before. */
  reboot(): void {
    this.#ephemeral.wipe();
    this.#ephemeral = this.#newWrapper("ephemeral");
  }

  /** Wipes both wrapping keys; no blob works any more. */
  [Symbol.dispose](): void {
    this.#longTerm.wipe();
    this.#ephemeral.wipe();
  }

  #importKey(rawKey: Uint8Array, ltKey: Uint8Array): number {
    checkLength("a raw key to import", rawKey, ROOT_KEY_BYTES);
    return this.#longTerm.wrap(rawKey, ltKey);
  }

  #generateKey(ltKey: Uint8Array): number {
    const rootKey = this.#randomBytes(secretBytes(ROOT_KEY_BYTES));
    try {
      return this.#longTerm.wrap(rootKey, ltKey);
    } finally {
      rootKey.fill(0);
    }
  }

  #prepareKey(ltKey: Uint8Array, ephKey: Uint8Array): number {
    return this.#withRootKey(this.#longTerm, ltKey, "prepare_key", (rootKey) => this.#ephemeral.wrap(rootKey, ephKey));
  }

  #deriveSwSecret(ephKey: Uint8Array, swSecret: Uint8Array): void {
    this.#withRootKey(this.#ephemeral, ephKey, "derive_sw_secret", (rootKey) => deriveSwSecret(rootKey, swSecret));
  }

  #withRootKey<T>(wrapper: KeyWrapper, blob: Uint8Array, op: string, use: (rootKey: Uint8Array) => T): T {
    const rootKey = wrapper.unwrap(blob, op);
    try {
      return use(rootKey);
    } finally {
      rootKey.fill(0);
    }
  }

  #newWrapper(name: string, key?: Uint8Array): KeyWrapper {
    if (key !== undefined) return new KeyWrapper(name, key, this.#randomBytes);
    const made = this.#randomBytes(secretBytes(ROOT_KEY_BYTES));
    try {
      return new KeyWrapper(name, made, this.#randomBytes);
    } finally {
      made.fill(0);
    }
  }
}

function checkLength(what: string, key: Uint8Array, bytes: number): void {
  if (key.length === bytes) return;
  throw new BlkError("EINVAL", "emulated wrapped keys", `${what} has ${bytes} bytes, got ${key.length}`);
}

/** What browsers and Node have in common. */
const platform = globalThis as unknown as { crypto: { getRandomValues<T extends Uint8Array>(into: T): T } };

function randomValues(into: Uint8Array): Uint8Array {
  return platform.crypto.getRandomValues(into);
}
