import {
  BlkBug,
  BlkError,
  BlkStatus,
  type BlockLayer,
  type CryptoKeyRef,
  type Dun,
  KEYSLOT_PENDING,
  KeyslotWaiter,
  MAX_BLOCK_BYTES,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import {
  BLK_ENCRYPTION_MODE_MAX,
  type BlkCryptoKey,
  BlkCryptoProfile,
  type CryptoMode,
  type LlOps,
} from "@inlinecrypt/blk-crypto-profile";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";

/** One bit for each data unit size from a sector to the largest block. */
const ALL_DATA_UNITS = 2 * MAX_BLOCK_BYTES - SECTOR_BYTES;

/**
 * The fallback's "hardware": a profile whose keyslots hold software ciphers. A slot has a cipher object for every mode
 * that was started, and at most one of them has a key.
 *
 * @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_keyslot, blk_crypto_fallback_init
 */
export class FallbackKeyslots implements LlOps {
  readonly profile: BlkCryptoProfile;
  readonly #layer: BlockLayer;
  readonly #engine: SkcipherEngine;
  /** Cipher objects by mode number and slot; null for modes that were not started. */
  readonly #ciphers: (readonly Skcipher[] | null)[] = new Array(BLK_ENCRYPTION_MODE_MAX).fill(null);
  /** The cipher of each slot that holds a key. */
  readonly #keyed: (Skcipher | null)[];
  readonly #waiter = new KeyslotWaiter(() => {
    throw new BlkBug("the software fallback never waits for a keyslot");
  });

  constructor(layer: BlockLayer, engine: SkcipherEngine, slotCount: number) {
    this.#layer = layer;
    this.#engine = engine;
    this.#keyed = new Array(slotCount).fill(null);
    this.profile = new BlkCryptoProfile(layer, {
      slotCount,
      modesSupported: {
        "AES-256-XTS": ALL_DATA_UNITS,
        "AES-128-CBC-ESSIV": ALL_DATA_UNITS,
        Adiantum: ALL_DATA_UNITS,
        "SM4-XTS": ALL_DATA_UNITS,
      },
      maxDunBytesSupported: 32,
      llOps: this,
    });
  }

  isStarted(modeNum: number): boolean {
    return this.#ciphers[modeNum] !== null;
  }

  /**
   * Allocates a mode's ciphers, one for each slot, so that I/O never has to. Does nothing for a mode that was started.
   *
   * @throws BlkError ENOPKG when the engine has no such cipher; the mode stays as it was.
   * @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_start_using_mode
   */
  startMode(mode: CryptoMode): void {
    if (this.isStarted(mode.num)) return;
    const ciphers: Skcipher[] = [];
    try {
      while (ciphers.length < this.profile.slotCount) ciphers.push(this.#engine.alloc(mode.cipher));
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new BlkError("ENOPKG", "blk_crypto_start_using_key", `no cipher for ${mode.name}: ${reason}`, { cause });
    }
    this.#ciphers[mode.num] = ciphers;
  }

  /**
   * Gets a cipher with a key of a started mode. It is held within one synchronous stretch of code until `putCipher`;
   * that is why there always is an idle slot and nobody ever waits.
   *
   * @returns OK, or why the key was refused.
   */
  getCipher(key: CryptoKeyRef): BlkStatus {
    this.#waiter.key = key;
    const result = this.profile.getKeyslot(this.#waiter);
    if (result === KEYSLOT_PENDING) throw new BlkBug("the software fallback holds a keyslot over a wait");
    return result;
  }

  /** Encrypts with the cipher that was got. IOERR, and a trace, when the cipher fails. */
  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Dun): BlkStatus {
    try {
      this.#cipher.encrypt(src, dst, dataUnitBytes, dun);
      return BlkStatus.OK;
    } catch (error) {
      return this.#cipherFailed("crypto_skcipher_encrypt", error);
    }
  }

  /** Decrypts with the cipher that was got. IOERR, and a trace, when the cipher fails. */
  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Dun): BlkStatus {
    try {
      this.#cipher.decrypt(src, dst, dataUnitBytes, dun);
      return BlkStatus.OK;
    } catch (error) {
      return this.#cipherFailed("crypto_skcipher_decrypt", error);
    }
  }

  putCipher(): void {
    const slot = this.#waiter.slot!;
    this.#waiter.slot = null;
    this.#waiter.key = null;
    this.profile.putKeyslot(slot);
  }

  /** @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_keyslot_program */
  keyslotProgram(key: BlkCryptoKey, slotIndex: number): void {
    const cipher = this.#ciphers[key.modeNum]![slotIndex]!;
    if (this.#keyed[slotIndex] !== cipher) this.keyslotEvict(key, slotIndex);
    this.#keyed[slotIndex] = cipher;
    try {
      key.withBytes((bytes) => cipher.setKey(bytes));
    } catch (error) {
      this.keyslotEvict(key, slotIndex);
      throw error;
    }
  }

  /** @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_keyslot_evict */
  keyslotEvict(_key: BlkCryptoKey, slotIndex: number): void {
    this.#keyed[slotIndex]?.clear();
    this.#keyed[slotIndex] = null;
  }

  /** Wipes all ciphers; modes have to be started again. @throws BlkBug while a slot is in use. */
  [Symbol.dispose](): void {
    this.profile[Symbol.dispose]();
    for (const ciphers of this.#ciphers) for (const cipher of ciphers ?? []) cipher.clear();
    this.#ciphers.fill(null);
    this.#keyed.fill(null);
  }

  get #cipher(): Skcipher {
    return this.#keyed[this.#waiter.slot!.slotIndex]!;
  }

  #cipherFailed(event: string, error: unknown): BlkStatus {
    this.#layer.tracer?.trace(event, { error: (error as { code?: string }).code ?? "unknown" });
    return BlkStatus.IOERR;
  }
}
