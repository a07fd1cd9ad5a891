import { BlkError } from "@inlinecrypt/blk-core";
import {
  type BlkCryptoKey,
  type BlkCryptoProfile,
  type CryptoCapabilitiesOptions,
  type CryptoModeName,
  devmBlkCryptoProfileInit,
  type LlOps,
} from "@inlinecrypt/blk-crypto-profile";
import {
  buildCryptoConfig,
  Cap,
  CRYPTOCFG_CONFIG_DWORD,
  CRYPTOCFG_ENTRY_BYTES,
  CRYPTOCFG_VENDOR_DWORD,
  CRYPTOCFG_XTS_SECOND_HALF_AT,
  type CryptoCapEntry,
  type Mmio,
  parseCcap,
  parseCryptoCap,
  Reg,
  readU32Le,
  UFS_CRYPTO_KEY_MAX_BYTES,
  UfsCryptoAlg,
  UfsCryptoKeySize,
  writeU32Le,
} from "../ufshci/index.js";
import type { UfsHba } from "./ufs-hba.js";

/** Dwords of a CRYPTOCFG entry that mean something. */
const ENTRY_DWORDS = CRYPTOCFG_VENDOR_DWORD + 1;
/** UFSHCI's commands have 64 bits for the DUN. */
const MAX_DUN_BYTES = 8;
/** Data unit sizes are counted in these. */
const DATA_UNIT_BYTES = 512;

interface UfsCryptoAlgEntry {
  readonly mode: CryptoModeName;
  readonly algorithm: number;
  readonly keySize: number;
}

/** What each mode is in CRYPTOCAP. @kernel drivers/ufs/core/ufshcd-crypto.c: ufs_crypto_algs */
const ufsCryptoAlgs: readonly UfsCryptoAlgEntry[] = [
  { mode: "AES-256-XTS", algorithm: UfsCryptoAlg.AES_XTS, keySize: UfsCryptoKeySize.BITS_256 },
];

/**
 * The crypto engine as the driver sees it: what CCAP and CRYPTOCAP say, and the keyslots behind CRYPTOCFG.
 *
 * @kernel drivers/ufs/core/ufshcd-crypto.c
 */
export class UfsCryptoEngine {
  readonly slotCount: number;
  readonly #mmio: Mmio;
  readonly #configOffset: number;
  readonly #caps: readonly CryptoCapEntry[];

  /** Reads the capabilities of a controller that has some. */
  constructor(mmio: Mmio) {
    const ccap = parseCcap(mmio.read32(Reg.CCAP));
    this.#mmio = mmio;
    this.slotCount = ccap.slotCount;
    this.#configOffset = ccap.configOffsetBytes;
    this.#caps = Array.from({ length: ccap.capCount }, (_, index) =>
      parseCryptoCap(mmio.read32(Reg.CRYPTOCAP + 4 * index)),
    );
  }

  /** What a profile says about this engine. Capabilities that no mode uses are ignored; those of one mode add up. */
  get capabilities(): CryptoCapabilitiesOptions {
    const modesSupported: Partial<Record<CryptoModeName, number>> = {};
    for (const cap of this.#caps) {
      const mode = ufsCryptoAlgs.find((alg) => alg.algorithm === cap.algorithm && alg.keySize === cap.keySize)?.mode;
      if (mode === undefined) continue;
      modesSupported[mode] = (modesSupported[mode] ?? 0) | (cap.dataUnitSizeMask * DATA_UNIT_BYTES);
    }
    return { modesSupported, maxDunBytesSupported: MAX_DUN_BYTES };
  }

  /** For a profile: programs and evicts through the registers. */
  get llOps(): LlOps {
    return {
      keyslotProgram: (key, slotIndex) => {
        key.withBytes((bytes) => this.program(slotIndex, key, bytes));
      },
      keyslotEvict: (_key, slotIndex) => this.clear(slotIndex),
    };
  }

  /**
   * Programs a slot for `key`, with `bytes` as the key the engine uses.
   *
   * @throws BlkError EOPNOTSUPP when no capability fits.
   * @kernel drivers/ufs/core/ufshcd-crypto.c: ufshcd_crypto_keyslot_program
   */
  program(slotIndex: number, key: BlkCryptoKey, bytes: Uint8Array): void {
    const dataUnitSize = key.dataUnitBytes / DATA_UNIT_BYTES;
    const capIndex = this.#capIndexFor(key, dataUnitSize);
    const entry = new Uint8Array(ENTRY_DWORDS * 4);
    try {
      if (this.#caps[capIndex]!.algorithm === UfsCryptoAlg.AES_XTS) {
        const half = bytes.length / 2;
        entry.set(bytes.subarray(0, half));
        entry.set(bytes.subarray(half), CRYPTOCFG_XTS_SECOND_HALF_AT);
      } else {
        entry.set(bytes);
      }
      const config = buildCryptoConfig({ dataUnitSize, capIndex, enable: true });
      writeU32Le(entry, CRYPTOCFG_CONFIG_DWORD * 4, config);
      this.#writeEntry(slotIndex, entry);
    } finally {
      entry.fill(0);
    }
  }

  /**
   * Empties a slot. All of it: who knows what an engine does with a key that is only disabled.
   *
   * @kernel drivers/ufs/core/ufshcd-crypto.c: ufshcd_crypto_keyslot_evict
   */
  clear(slotIndex: number): void {
    this.#writeEntry(slotIndex, new Uint8Array(ENTRY_DWORDS * 4));
  }

  /** Empties all slots. @kernel drivers/ufs/core/ufshcd-crypto.c: ufshcd_init_crypto */
  clearAll(): void {
    for (let slotIndex = 0; slotIndex < this.slotCount; slotIndex++) this.clear(slotIndex);
  }

  #capIndexFor(key: BlkCryptoKey, dataUnitSize: number): number {
    const alg = ufsCryptoAlgs.find(({ mode }) => mode === key.mode.name);
    const capIndex = this.#caps.findIndex(
      (cap) =>
        cap.algorithm === alg?.algorithm && cap.keySize === alg.keySize && (cap.dataUnitSizeMask & dataUnitSize) !== 0,
    );
    if (capIndex >= 0) return capIndex;
    const wanted = `${key.mode.name} with data units of ${key.dataUnitBytes} bytes`;
    throw new BlkError("EOPNOTSUPP", "ufshcd_crypto_keyslot_program", `no crypto capability for ${wanted}`);
  }

  /** The slot is disabled first and enabled last. @kernel drivers/ufs/core/ufshcd-crypto.c: ufshcd_program_key */
  #writeEntry(slotIndex: number, entry: Uint8Array): void {
    const base = this.#configOffset + slotIndex * CRYPTOCFG_ENTRY_BYTES;
    this.#mmio.write32(base + CRYPTOCFG_CONFIG_DWORD * 4, 0);
    for (let at = 0; at < UFS_CRYPTO_KEY_MAX_BYTES; at += 4) this.#mmio.write32(base + at, readU32Le(entry, at));
    this.#writeDword(base, entry, CRYPTOCFG_VENDOR_DWORD);
    this.#writeDword(base, entry, CRYPTOCFG_CONFIG_DWORD);
  }

  #writeDword(base: number, entry: Uint8Array, dword: number): void {
    this.#mmio.write32(base + dword * 4, readU32Le(entry, dword * 4));
  }
}

/** What a controller's encryption is to its driver. */
export interface HbaCrypto {
  /** What the queues register. */
  readonly profile: BlkCryptoProfile;
  /** Null when the variant has made the profile: the slots, if there are any, are its own. */
  readonly engine: UfsCryptoEngine | null;
}

/**
 * Finds out whether a controller encrypts, and how. Null: it does not, or must not.
 *
 * @throws BlkError when it does, and its profile cannot be made.
 * @kernel drivers/ufs/core/ufshcd-crypto.c: ufshcd_hba_init_crypto_capabilities
 */
export function initCryptoCapabilities(hba: UfsHba): HbaCrypto | null {
  const { variant, mmio, layer } = hba;
  if (variant.makeCryptoProfile !== undefined) {
    const profile = variant.crypto ? variant.makeCryptoProfile(hba) : null;
    return profile === null ? null : { profile, engine: null };
  }
  if (!variant.crypto || (mmio.read32(Reg.CAP) & Cap.CS) === 0) return null;
  const engine = new UfsCryptoEngine(mmio);
  const profile = devmBlkCryptoProfileInit(hba.device, layer, {
    ...engine.capabilities,
    slotCount: engine.slotCount,
    llOps: engine.llOps,
    dev: hba.pm,
  });
  return { profile, engine };
}
