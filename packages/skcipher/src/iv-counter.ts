import { DUN_LIMBS } from "./skcipher.js";

/**
 * Turns a DUN and its successors into IVs.
 *
 * @kernel block/blk-crypto-fallback.c: blk_crypto_dun_to_iv; block/blk-crypto.c: bio_crypt_dun_increment
 */
export class IvCounter {
  readonly #dun: Uint32Array = new Uint32Array(DUN_LIMBS);

  /** Starts at `dun`, eight limbs. */
  start(dun: Uint32Array): void {
    for (let i = 0; i < DUN_LIMBS; i++) this.#dun[i] = dun[i]!;
  }

  /** Fills `ivs` with consecutive IVs of `ivBytes` bytes, a multiple of 4, and moves on behind the last one. */
  fill(ivs: Uint8Array, ivBytes: number): void {
    const dun = this.#dun;
    const view = new DataView(ivs.buffer, ivs.byteOffset, ivs.length);
    for (let at = 0; at < ivs.length; at += ivBytes) {
      for (let i = 0; i < ivBytes; i += 4) view.setUint32(at + i, dun[i >>> 2]!, true);
      this.#increment();
    }
  }

  /** Adds one, modulo 2^256. */
  #increment(): void {
    const dun = this.#dun;
    for (let i = 0; i < DUN_LIMBS; i++) {
      const limb = (dun[i]! + 1) >>> 0;
      dun[i] = limb;
      if (limb !== 0) return;
    }
  }
}
