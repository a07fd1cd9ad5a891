import type { BioCryptCtx } from "@inlinecrypt/blk-core";
import type { BlkCryptoProfile } from "@inlinecrypt/blk-crypto-profile";
import type { UfsHba } from "./ufs-hba.js";

/**
 * What is different about one make of controller. Everything is optional: a controller that follows UFSHCI needs only
 * its name and, for encryption, `crypto`.
 *
 * @kernel include/ufs/ufshcd.h: ufs_hba_variant_ops, enum ufshcd_quirks, UFSHCD_CAP_CRYPTO
 */
export interface UfsVariant {
  readonly name: string;
  /** The platform's crypto engine may be used. @kernel UFSHCD_CAP_CRYPTO */
  readonly crypto: boolean;
  /**
   * HCE's crypto bit is not set by the core; keys are programmed all the same. @kernel UFSHCD_QUIRK_BROKEN_CRYPTO_ENABLE
   *
   * @default false
   */
  readonly brokenCryptoEnable?: boolean;
  /**
   * Makes the crypto profile: the core then reads no crypto capabilities and touches no keyslots. Null: no encryption.
   *
   * @kernel UFSHCD_QUIRK_CUSTOM_CRYPTO_PROFILE
   */
  makeCryptoProfile?(hba: UfsHba): BlkCryptoProfile | null;
  /** For controllers that take keys in the PRDT. @kernel UFSHCD_QUIRK_KEYS_IN_PRDT */
  readonly keysInPrdt?: KeysInPrdt;
  /** Around setting HCE. @kernel hce_enable_notify */
  hceEnableNotify?(hba: UfsHba, when: "pre" | "post"): void;
}

/** How keys get into PRDT entries. */
export interface KeysInPrdt {
  /** Bytes of a PRDT entry, a multiple of 16 up to 128; the first 16 are UFSHCI's. */
  readonly entryBytes: number;
  /** The one data unit size; each entry describes exactly one. */
  readonly dataUnitBytes: number;
  /**
   * Completes the entries of an encrypted command. False: some entry is not one data unit.
   *
   * @kernel include/ufs/ufshcd.h: ufs_hba_variant_ops.fill_crypto_prdt
   */
  fillCryptoPrdt(ctx: BioCryptCtx, prdt: Uint8Array, at: number, entryCount: number): boolean;
}

/** A controller that follows UFSHCI, with its crypto engine in use. */
export const ufshciVariant: UfsVariant = Object.freeze({ name: "ufshci", crypto: true });
