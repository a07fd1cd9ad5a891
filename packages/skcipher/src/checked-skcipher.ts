import { checkRequest } from "./check-request.js";
import { secretCopy } from "./secret-bytes.js";
import type { Skcipher } from "./skcipher.js";
import type { CipherCore, SkcipherAlg } from "./skcipher-alg.js";
import { SkcipherError } from "./skcipher-error.js";

/** The checking half of every cipher: arguments, key length, weak keys, and whether there is a key at all. */
export class CheckedSkcipher implements Skcipher {
  readonly name: string;
  readonly keyBytes: number;
  readonly ivBytes: number;
  readonly #alg: SkcipherAlg;
  readonly #core: CipherCore;
  #keyed = false;

  constructor(alg: SkcipherAlg) {
    this.name = alg.name;
    this.keyBytes = alg.keyBytes;
    this.ivBytes = alg.ivBytes;
    this.#alg = alg;
    this.#core = alg.create();
  }

  setKey(key: Uint8Array): void {
    // First, so that a refused key leaves none behind, as crypto_skcipher_setkey() does.
    this.clear();
    this.#checkKey(key);
    // To read a key in V8's heap as parts, or from C++, would move it out of there and leave the old bytes behind.
    const copy = secretCopy(key);
    try {
      this.#core.setKey(copy);
    } catch (cause) {
      this.#core.clear();
      throw cause;
    } finally {
      copy.fill(0);
    }
    this.#keyed = true;
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#checkKeyed("encrypt");
    checkRequest("encrypt", src, dst, dataUnitBytes, dun);
    this.#core.encrypt(src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#checkKeyed("decrypt");
    checkRequest("decrypt", src, dst, dataUnitBytes, dun);
    this.#core.decrypt(src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    this.#keyed = false;
    this.#core.clear();
  }

  #checkKey(key: Uint8Array): void {
    if (!(key instanceof Uint8Array)) {
      throw new SkcipherError("EINVAL", "setKey", `a key of ${this.name} is a Uint8Array of ${this.keyBytes} bytes`);
    }
    if (key.length !== this.keyBytes) {
      const message = `a key of ${this.name} has ${this.keyBytes} bytes; this one has ${key.length}`;
      throw new SkcipherError("EINVAL", "setKey", message);
    }
    const weakness = this.#alg.weakness(key);
    if (weakness !== undefined) throw new SkcipherError("EINVAL", "setKey", weakness);
  }

  #checkKeyed(op: string): void {
    if (!this.#keyed) throw new SkcipherError("ENOKEY", op, `no key set for ${this.name}`);
  }
}
