import { Aes } from "./aes.js";
import { BLOCK_BYTES, xorInto } from "./block-cipher.js";
import type { DataUnitCipher } from "./data-unit-cipher.js";
import { fromLittleEndian, toLittleEndian } from "./little-endian.js";
import { NH_KEY_BYTES, NH_MESSAGE_BYTES, nh } from "./nh.js";
import { poly1305 } from "./poly1305.js";
import { xChaChaStream } from "./xchacha.js";

const ROUNDS = 12;
const NONCE_BYTES = 24;
const AES_KEY_BYTES = 32;
const POLY1305_KEY_BYTES = 16;
const TWEAK_BYTES = 32;

/** `head`, a 1 bit, and zeros up to the 24 bytes of a nonce. */
function nonceFrom(head: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  nonce.set(head);
  nonce[head.length] = 1;
  return nonce;
}

/** `bytes` and zeros up to a multiple of 16. */
function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.ceil(bytes.length / BLOCK_BYTES) * BLOCK_BYTES);
  whole.set(bytes);
  return whole;
}

/**
 * Adiantum with XChaCha12 and AES-256, by the paper "Adiantum: length-preserving encryption for entry-level processors": a
 * hash of all but the last 16 bytes is added to those, they are encrypted by AES and make the nonce of the stream cipher
 * that encrypts the rest, and a hash of that is subtracted again.
 */
export class Adiantum implements DataUnitCipher {
  readonly #streamKey: Uint8Array;
  readonly #blockCipher: Aes;
  readonly #headerKey: Uint8Array;
  readonly #messageKey: Uint8Array;
  readonly #nhKey: Uint8Array;

  /** @param key - 32 bytes, the key of the stream cipher, whose first bytes are all other keys */
  constructor(key: Uint8Array) {
    const subkeyBytes = AES_KEY_BYTES + 2 * POLY1305_KEY_BYTES + NH_KEY_BYTES;
    const subkeys = xChaChaStream(key, nonceFrom(new Uint8Array(0)), subkeyBytes, ROUNDS);
    let at = 0;
    const take = (byteCount: number): Uint8Array => {
      at += byteCount;
      return subkeys.subarray(at - byteCount, at);
    };
    this.#streamKey = key.slice();
    this.#blockCipher = new Aes(take(AES_KEY_BYTES));
    this.#headerKey = take(POLY1305_KEY_BYTES);
    this.#messageKey = take(POLY1305_KEY_BYTES);
    this.#nhKey = take(NH_KEY_BYTES);
  }

  encrypt(dun: bigint, plaintext: Uint8Array): Uint8Array {
    return this.encryptTweaked(toLittleEndian(dun, TWEAK_BYTES), plaintext);
  }

  decrypt(dun: bigint, ciphertext: Uint8Array): Uint8Array {
    return this.decryptTweaked(toLittleEndian(dun, TWEAK_BYTES), ciphertext);
  }

  /** The ciphertext of 16 bytes or more under a tweak of any length. */
  encryptTweaked(tweak: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const { left, right } = halves(plaintext);
    const middle = toLittleEndian(right + this.#hash(tweak, left), BLOCK_BYTES);
    this.#blockCipher.encryptBlock(middle);
    xorInto(left, xChaChaStream(this.#streamKey, nonceFrom(middle), left.length, ROUNDS));
    return joined(left, fromLittleEndian(middle) - this.#hash(tweak, left));
  }

  /** The plaintext of 16 bytes or more under a tweak of any length. */
  decryptTweaked(tweak: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const { left, right } = halves(ciphertext);
    const middle = toLittleEndian(right + this.#hash(tweak, left), BLOCK_BYTES);
    xorInto(left, xChaChaStream(this.#streamKey, nonceFrom(middle), left.length, ROUNDS));
    this.#blockCipher.decryptBlock(middle);
    return joined(left, fromLittleEndian(middle) - this.#hash(tweak, left));
  }

  /** The hash of the tweak and of the message's length, plus the hash of the message: NH first, then Poly1305. */
  #hash(tweak: Uint8Array, message: Uint8Array): bigint {
    const header = new Uint8Array([...toLittleEndian(BigInt(8 * message.length), 16), ...tweak]);
    const nhHashes: number[] = [];
    for (let at = 0; at < message.length; at += NH_MESSAGE_BYTES) {
      nhHashes.push(...nh(this.#nhKey, padded(message.subarray(at, at + NH_MESSAGE_BYTES))));
    }
    return poly1305(this.#headerKey, header) + poly1305(this.#messageKey, new Uint8Array(nhHashes));
  }
}

/** All but the last 16 bytes, as a copy, and the last 16 as a number. */
function halves(bytes: Uint8Array): { left: Uint8Array; right: bigint } {
  const leftBytes = bytes.length - BLOCK_BYTES;
  return { left: bytes.slice(0, leftBytes), right: fromLittleEndian(bytes.subarray(leftBytes)) };
}

function joined(left: Uint8Array, right: bigint): Uint8Array {
  return new Uint8Array([...left, ...toLittleEndian(right, BLOCK_BYTES)]);
}
