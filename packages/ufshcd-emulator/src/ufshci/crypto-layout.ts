/** Bytes of the key area of a CRYPTOCFG entry. */
export const UFS_CRYPTO_KEY_MAX_BYTES = 64;

/** Bytes of one CRYPTOCFG entry: 32 dwords, of which 18 mean something. */
export const CRYPTOCFG_ENTRY_BYTES = 128;

/** Dword of a CRYPTOCFG entry that holds data unit size, capability index and enable bit. */
export const CRYPTOCFG_CONFIG_DWORD = 16;

/** Dword of a CRYPTOCFG entry that holds the vendor bytes. */
export const CRYPTOCFG_VENDOR_DWORD = 17;

/** Where the second half of an XTS key is in the key area, however long the halves are. */
export const CRYPTOCFG_XTS_SECOND_HALF_AT: number = UFS_CRYPTO_KEY_MAX_BYTES / 2;

/** The unit of CCAP.CFGPTR, in bytes. */
export const CFGPTR_UNIT_BYTES = 0x100;

/**
 * Algorithms of a CRYPTOCAP entry.
 *
 * @kernel include/ufs/ufshci.h: enum ufs_crypto_alg
 */
export const UfsCryptoAlg = { AES_XTS: 0, BITLOCKER_AES_CBC: 1, AES_ECB: 2, ESSIV_AES_CBC: 3 } as const;

/**
 * Key sizes of a CRYPTOCAP entry, in bits of the cipher's key: an XTS key has two of them.
 *
 * @kernel include/ufs/ufshci.h: enum ufs_crypto_key_size
 */
export const UfsCryptoKeySize = { INVALID: 0, BITS_128: 1, BITS_192: 2, BITS_256: 3, BITS_512: 4 } as const;

/**
 * CCAP, the register that tells how large the crypto part is.
 *
 * @kernel include/ufs/ufshci.h: union ufs_crypto_capabilities
 */
export interface CryptoCapabilities {
  /** How many CRYPTOCAP registers there are; 8 bits. */
  capCount: number;
  /** How many keyslots there are, 1 to 256; the wire holds the number minus one. */
  slotCount: number;
  /** Where the CRYPTOCFG array begins, from the register base; the wire counts units of 0x100. */
  configOffsetBytes: number;
}

/** Reads CCAP. */
export function parseCcap(value: number): CryptoCapabilities {
  return {
    capCount: value & 0xff,
    slotCount: ((value >>> 8) & 0xff) + 1,
    configOffsetBytes: (value >>> 24) * CFGPTR_UNIT_BYTES,
  };
}

/** The value of CCAP. */
export function buildCcap(ccap: Readonly<CryptoCapabilities>): number {
  const cfgPtr = ccap.configOffsetBytes / CFGPTR_UNIT_BYTES;
  return ((ccap.capCount & 0xff) | ((ccap.slotCount - 1) << 8) | (cfgPtr << 24)) >>> 0;
}

/**
 * One CRYPTOCAP register: an algorithm, a key size, and the data unit sizes they take.
 *
 * @kernel include/ufs/ufshci.h: union ufs_crypto_cap_entry
 */
export interface CryptoCapEntry {
  /** A {@link UfsCryptoAlg}, or a number nobody knows; 8 bits. */
  algorithm: number;
  /** Bit j: data units of 512 * 2^j bytes; 8 bits. */
  dataUnitSizeMask: number;
  /** A {@link UfsCryptoKeySize}, or a number nobody knows; 8 bits. */
  keySize: number;
}

/** Reads a CRYPTOCAP register. */
export function parseCryptoCap(value: number): CryptoCapEntry {
  return { algorithm: value & 0xff, dataUnitSizeMask: (value >>> 8) & 0xff, keySize: (value >>> 16) & 0xff };
}

/** The value of a CRYPTOCAP register. */
export function buildCryptoCap(cap: Readonly<CryptoCapEntry>): number {
  return ((cap.algorithm & 0xff) | ((cap.dataUnitSizeMask & 0xff) << 8) | ((cap.keySize & 0xff) << 16)) >>> 0;
}

/** Dword 16 of a CRYPTOCFG entry. */
export interface CryptoConfig {
  /** The data unit size in units of 512 bytes, so one bit when it is valid; 8 bits. */
  dataUnitSize: number;
  /** Which CRYPTOCAP register says how to encrypt; 8 bits. */
  capIndex: number;
  /** CFGE. */
  enable: boolean;
}

/** Reads dword 16 of a CRYPTOCFG entry. */
export function parseCryptoConfig(value: number): CryptoConfig {
  return { dataUnitSize: value & 0xff, capIndex: (value >>> 8) & 0xff, enable: value >>> 31 === 1 };
}

/** The value of dword 16 of a CRYPTOCFG entry. */
export function buildCryptoConfig(config: Readonly<CryptoConfig>): number {
  const enable = config.enable ? 0x8000_0000 : 0;
  return ((config.dataUnitSize & 0xff) | ((config.capIndex & 0xff) << 8) | enable) >>> 0;
}
