import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import {
  CRYPTOCFG_CONFIG_DWORD,
  CRYPTOCFG_VENDOR_DWORD,
  CRYPTOCFG_XTS_SECOND_HALF_AT,
  type CryptoCapEntry,
  Ocs,
  parseCryptoConfig,
  UFS_CRYPTO_KEY_MAX_BYTES,
  UfsCryptoAlg,
  UfsCryptoKeySize,
  writeU32Le,
} from "../ufshci/index.js";

/** How the cipher for a CRYPTOCAP entry is called and keyed; undefined: this engine has no name for it. */
function cipherOf(cap: CryptoCapEntry): { name: string; keyBytes: number; xts: boolean } | undefined {
  const halfBytes = { [UfsCryptoKeySize.BITS_128]: 16, [UfsCryptoKeySize.BITS_256]: 32 }[cap.keySize];
  if (halfBytes === undefined) return undefined;
  if (cap.algorithm === UfsCryptoAlg.AES_XTS) return { name: "xts(aes)", keyBytes: 2 * halfBytes, xts: true };
  if (cap.algorithm === UfsCryptoAlg.ESSIV_AES_CBC) {
    return { name: "essiv(cbc(aes),sha256)", keyBytes: halfBytes, xts: false };
  }
  return undefined;
}

function isOneBit(mask: number): boolean {
  return mask !== 0 && (mask & (mask - 1)) === 0;
}

/** One CRYPTOCFG entry: what software wrote, and the cipher that was made of it when it was enabled. */
export class CryptoKeyslot {
  /** Changes whenever the key may have: a command that began with another version must not go on. */
  version = 0;
  /** Bytes of a data unit while {@link CryptoKeyslot.state} is SUCCESS. */
  dataUnitBytes = 0;
  /** The OCS that a command using this slot gets, SUCCESS when it may go on. */
  state: Ocs = Ocs.INVALID_CRYPTO_CONFIG;
  readonly #key = new Uint8Array(UFS_CRYPTO_KEY_MAX_BYTES);
  #config = 0;
  #vendor = 0;
  #cipher: Skcipher | null = null;

  /** What software reads: never the key. */
  read(dword: number): number {
    if (dword === CRYPTOCFG_CONFIG_DWORD) return this.#config;
    return dword === CRYPTOCFG_VENDOR_DWORD ? this.#vendor : 0;
  }

  /** Software writes any dword but 16. The active key stays what it is until the next enable. */
  write(dword: number, value: number): void {
    if (dword < CRYPTOCFG_CONFIG_DWORD) writeU32Le(this.#key, dword * 4, value);
    else if (dword === CRYPTOCFG_VENDOR_DWORD) this.#vendor = (value & 0xffff_0000) >>> 0;
  }

  /**
   * Software writes dword 16: with the enable bit, the entry is latched; without, the slot holds no key any more.
   *
   * @param faulty - the engine does not take the key
   */
  configure(value: number, caps: readonly CryptoCapEntry[], engine: SkcipherEngine, faulty: boolean): void {
    const config = parseCryptoConfig(value);
    this.#config = (value & 0x8000_ffff) >>> 0;
    this.#dropKey();
    if (!config.enable || faulty) return;
    const cap = caps[config.capIndex];
    if (cap === undefined || !isOneBit(config.dataUnitSize)) return;
    if ((cap.dataUnitSizeMask & config.dataUnitSize) === 0) return;
    this.dataUnitBytes = config.dataUnitSize * 512;
    this.state = this.#latch(cap, engine);
  }

  /** Whether CFGE is set. */
  get isEnabled(): boolean {
    return this.#config >>> 31 === 1;
  }

  /** The cipher of a slot whose {@link CryptoKeyslot.state} is SUCCESS. */
  get cipher(): Skcipher {
    return this.#cipher!;
  }

  /** Forgets everything: key area, cipher, configuration. */
  wipe(): void {
    this.#key.fill(0);
    this.#config = 0;
    this.#vendor = 0;
    this.#dropKey();
  }

  #dropKey(): void {
    this.version++;
    this.state = Ocs.INVALID_CRYPTO_CONFIG;
    this.#cipher?.clear();
  }

  /** An entry that is well-formed, but whose cipher or key the engine refuses, is an error of the engine. */
  #latch(cap: CryptoCapEntry, engine: SkcipherEngine): Ocs {
    const wanted = cipherOf(cap);
    if (wanted === undefined || !engine.supports(wanted.name)) return Ocs.GENERAL_CRYPTO_ERROR;
    const key = new Uint8Array(wanted.keyBytes);
    try {
      const cipher = this.#cipher?.name === wanted.name ? this.#cipher : engine.alloc(wanted.name);
      this.#cipher = cipher;
      this.#assemble(key, wanted.xts);
      cipher.setKey(key);
      return Ocs.SUCCESS;
    } catch {
      return Ocs.GENERAL_CRYPTO_ERROR; // a weak key, a key length the engine lacks, or a failed self-test
    } finally {
      key.fill(0);
    }
  }

  #assemble(key: Uint8Array, xts: boolean): void {
    if (!xts) {
      key.set(this.#key.subarray(0, key.length));
      return;
    }
    const half = key.length / 2;
    key.set(this.#key.subarray(0, half));
    key.set(this.#key.subarray(CRYPTOCFG_XTS_SECOND_HALF_AT, CRYPTOCFG_XTS_SECOND_HALF_AT + half), half);
  }
}
