import {
  BlkError,
  BlkStatus,
  type BlockLayer,
  type CryptoKeyRef,
  type Dun,
  type KeyslotResult,
  type KeyslotWaiter,
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
import {
  isOffloadEngine,
  type OffloadSkcipher,
  type Skcipher,
  type SkcipherEngine,
  type SkcipherRequest,
} from "@inlinecrypt/skcipher";

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
  /** Whether the engine's ciphers are `OffloadSkcipher`s. */
  readonly #canOffload: boolean;
  /** Cipher objects by mode number and slot; null for modes that were not started. */
  readonly #ciphers: (readonly Skcipher[] | null)[] = new Array(BLK_ENCRYPTION_MODE_MAX).fill(null);
  /** The cipher of each slot that holds a key. */
  readonly #keyed: (Skcipher | null)[];

  constructor(layer: BlockLayer, engine: SkcipherEngine, slotCount: number) {
    this.#layer = layer;
    this.#engine = engine;
    this.#canOffload = isOffloadEngine(engine);
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
   * Gets a cipher with a key of a started mode, until `putCipher`. While other I/O computes with all of them, the waiter
   * waits.
   *
   * @returns OK, KEYSLOT_PENDING (`waiter.granted` will be called), or why the key was refused.
   */
  getCipher(waiter: KeyslotWaiter, key: CryptoKeyRef): KeyslotResult {
    waiter.key = key;
    return this.profile.getKeyslot(waiter);
  }

  putCipher(waiter: KeyslotWaiter): void {
    const slot = waiter.slot!;
    waiter.slot = null;
    waiter.key = null;
    this.profile.putKeyslot(slot);
  }

  /** Encrypts with the cipher that was got. IOERR, and a trace, when the cipher fails. */
  encrypt(waiter: KeyslotWaiter, src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Dun): BlkStatus {
    try {
      this.#cipherOf(waiter).encrypt(src, dst, dataUnitBytes, dun);
      return BlkStatus.OK;
    } catch (error) {
      return this.encryptStatus(error);
    }
  }

  /** Decrypts with the cipher that was got. IOERR, and a trace, when the cipher fails. */
  decrypt(waiter: KeyslotWaiter, src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Dun): BlkStatus {
    try {
      this.#cipherOf(waiter).decrypt(src, dst, dataUnitBytes, dun);
      return BlkStatus.OK;
    } catch (error) {
      return this.decryptStatus(error);
    }
  }

  /** Whether the cipher that was got had better compute so many bytes off the event loop, and can now. */
  offloads(waiter: KeyslotWaiter, bytes: number): boolean {
    return this.#canOffload && this.#offloadCipherOf(waiter).offloads(bytes);
  }

  /** Encrypts off the event loop, right after `offloads` has said yes; the request is completed whatever happens. */
  encryptOff(waiter: KeyslotWaiter, request: SkcipherRequest): void {
    try {
      this.#offloadCipherOf(waiter).encryptOff(request);
    } catch (error) {
      request.complete(error as Error);
    }
  }

  /** Decrypts off the event loop; as `encryptOff`. */
  decryptOff(waiter: KeyslotWaiter, request: SkcipherRequest): void {
    try {
      this.#offloadCipherOf(waiter).decryptOff(request);
    } catch (error) {
      request.complete(error as Error);
    }
  }

  /** OK for null, else IOERR, and a trace. */
  encryptStatus(error: unknown): BlkStatus {
    return this.#status("crypto_skcipher_encrypt", error);
  }

  /** OK for null, else IOERR, and a trace. */
  decryptStatus(error: unknown): BlkStatus {
    return this.#status("crypto_skcipher_decrypt", error);
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

  #cipherOf(waiter: KeyslotWaiter): Skcipher {
    return this.#keyed[waiter.slot!.slotIndex]!;
  }

  #offloadCipherOf(waiter: KeyslotWaiter): OffloadSkcipher {
    return this.#cipherOf(waiter) as OffloadSkcipher;
  }

  #status(event: string, error: unknown): BlkStatus {
    if (error === null) return BlkStatus.OK;
    this.#layer.tracer?.trace(event, { error: (error as { code?: string }).code ?? "unknown" });
    return BlkStatus.IOERR;
  }
}
