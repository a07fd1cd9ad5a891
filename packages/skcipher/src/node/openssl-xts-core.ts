import { type Cipher, createCipheriv, createDecipheriv, type Decipher } from "node:crypto";
import { BLOCK_BYTES } from "../block-cipher.js";
import { IvCounter } from "../iv-counter.js";
import { secretCopy } from "../secret-bytes.js";
import type { CipherCore } from "../skcipher-alg.js";

type MakeContext = (key: Uint8Array, iv: Uint8Array) => Cipher | Decipher;

const encryptor: MakeContext = (key, iv) => createCipheriv("aes-256-xts", key, iv);
const decryptor: MakeContext = (key, iv) => createDecipheriv("aes-256-xts", key, iv);

/**
 * AES-256-XTS all by OpenSSL, in a context for each data unit, as node:crypto cannot give a context another IV. Setting one up
 * costs about as much as encrypting 10 KiB.
 */
export class OpensslXtsCore implements CipherCore {
  readonly #ivs = new IvCounter();
  readonly #iv: Uint8Array = new Uint8Array(BLOCK_BYTES);
  #key: Uint8Array | undefined;

  setKey(key: Uint8Array): void {
    this.#key = secretCopy(key);
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(encryptor, src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#crypt(decryptor, src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    this.#key?.fill(0);
    this.#key = undefined;
  }

  #crypt(makeContext: MakeContext, src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#ivs.start(dun);
    for (let at = 0; at < src.length; at += dataUnitBytes) {
      this.#ivs.fill(this.#iv, BLOCK_BYTES);
      const context = makeContext(this.#key!, this.#iv);
      const result = context.update(src.subarray(at, at + dataUnitBytes));
      context.final();
      dst.set(result, at);
      // Node allocates the result anew each time; without this, plaintext would stay behind in freed memory.
      if (makeContext === decryptor) result.fill(0);
    }
  }
}
