import { BlkError } from "@inlinecrypt/blk-core";
import { gcm } from "@noble/ciphers/aes.js";
import { secretBytes } from "./secret-bytes.js";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bytes a blob has more than the key in it. */
const WRAPPING_BYTES = NONCE_BYTES + TAG_BYTES;

/** Fills the array with bytes nobody can guess, and returns it. */
export type RandomBytes = (into: Uint8Array) => Uint8Array;

/** Wraps keys into blobs and unwraps them, by AES-256-GCM: nonce, ciphertext, tag. */
export class KeyWrapper {
  readonly #name: string;
  readonly #key: Uint8Array;
  readonly #randomBytes: RandomBytes;
  #wiped = false;

  /** `name` is bound into the blobs: one kind is never taken for another. `key` has 32 bytes and is copied. */
  constructor(name: string, key: Uint8Array, randomBytes: RandomBytes) {
    this.#name = name;
    this.#key = secretBytes(key.length);
    this.#key.set(key);
    this.#randomBytes = randomBytes;
  }

  /**
   * Writes the blob of `secret` to the start of `into`, and returns its length.
   *
   * @throws BlkError ENODEV when the key has been wiped.
   */
  wrap(secret: Uint8Array, into: Uint8Array): number {
    if (this.#wiped) throw new BlkError("ENODEV", "key manager", `the ${this.#name} wrapping key has been wiped`);
    const nonce = this.#randomBytes(new Uint8Array(NONCE_BYTES));
    const sealed = gcm(this.#key, nonce, this.#associatedData()).encrypt(secret);
    into.set(nonce);
    into.set(sealed, NONCE_BYTES);
    return NONCE_BYTES + sealed.length;
  }

  /**
   * What was wrapped; the caller wipes it.
   *
   * @throws BlkError EBADMSG for anything but a blob of this wrapper.
   */
  unwrap(blob: Uint8Array, op: string): Uint8Array {
    if (blob.length > WRAPPING_BYTES && !this.#wiped) {
      const nonce = blob.subarray(0, NONCE_BYTES);
      const opened = tryDecrypt(() =>
        gcm(this.#key, nonce, this.#associatedData()).decrypt(blob.subarray(NONCE_BYTES)),
      );
      if (opened !== null) return opened;
    }
    throw new BlkError("EBADMSG", op, `this is no ${this.#name} key blob of this hardware`);
  }

  /** Loses the key: no blob made so far can be unwrapped any more. */
  wipe(): void {
    this.#key.fill(0);
    this.#wiped = true;
  }

  #associatedData(): Uint8Array {
    return Uint8Array.from(this.#name, (letter) => letter.charCodeAt(0));
  }
}

/** The cipher's own error says only that the tag is wrong. */
function tryDecrypt(decrypt: () => Uint8Array): Uint8Array | null {
  try {
    return decrypt();
  } catch {
    return null;
  }
}
