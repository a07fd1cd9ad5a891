import type { CipherCore } from "../skcipher-alg.js";
import { XtsCore } from "../xts-core.js";
import type { XtsScratch } from "../xts-scratch.js";
import { opensslAes256 } from "./openssl-ecb.js";
import { OpensslXtsCore } from "./openssl-xts-core.js";

/** From here on a context for each data unit is faster than two for all of them (`bench/skcipher.bench.ts`). */
const LARGE_DATA_UNIT_BYTES = 16384;

/** AES-256-XTS by whichever way is faster for the data unit size; both give the same bytes. */
export class NodeXtsCore implements CipherCore {
  readonly #batched: CipherCore;
  readonly #unitwise: CipherCore = new OpensslXtsCore();

  constructor(scratch: XtsScratch) {
    this.#batched = new XtsCore(opensslAes256, scratch);
  }

  setKey(key: Uint8Array): void {
    this.#batched.setKey(key);
    this.#unitwise.setKey(key);
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#coreFor(dataUnitBytes).encrypt(src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#coreFor(dataUnitBytes).decrypt(src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    this.#batched.clear();
    this.#unitwise.clear();
  }

  #coreFor(dataUnitBytes: number): CipherCore {
    return dataUnitBytes >= LARGE_DATA_UNIT_BYTES ? this.#unitwise : this.#batched;
  }
}
