import { type BioCryptCtx, BlkError, copyDun, dunIncrement, newDun } from "@inlinecrypt/blk-core";
import { BlkCryptoKey, type BlkCryptoProfile, devmBlkCryptoProfileInit } from "@inlinecrypt/blk-crypto-profile";
import {
  buildFmpCrypto,
  Cap,
  FMP_DATA_UNIT_BYTES,
  FMP_PRDT_ENTRY_BYTES,
  fmpCryptoKind,
  prdtBytes,
  Reg,
} from "../ufshci/index.js";
import type { UfsHba } from "./ufs-hba.js";
import type { UfsVariant } from "./ufs-variant.js";

/** IVs have all 128 bits. */
const MAX_DUN_BYTES = 16;

/**
 * Exynos: no keyslots; every PRDT entry of an encrypted command carries key and IV of its one data unit.
 *
 * @kernel drivers/ufs/host/ufs-exynos.c: exynos_ufs_fmp_init, exynos_ufs_fmp_fill_prdt
 */
export function exynosVariant(): UfsVariant {
  const dun = newDun();
  return {
    name: "exynos",
    crypto: true,
    brokenCryptoEnable: true,
    makeCryptoProfile,
    keysInPrdt: {
      entryBytes: FMP_PRDT_ENTRY_BYTES,
      dataUnitBytes: FMP_DATA_UNIT_BYTES,
      fillCryptoPrdt(ctx, prdt, at, entryCount) {
        copyDun(dun, ctx.dun);
        return fillPrdt(ctx, dun, prdt, at, entryCount);
      },
    },
  };
}

function makeCryptoProfile(hba: UfsHba): BlkCryptoProfile | null {
  if ((hba.mmio.read32(Reg.CAP) & Cap.CS) === 0) return null;
  return devmBlkCryptoProfileInit(hba.device, hba.layer, {
    slotCount: 0,
    modesSupported: { "AES-256-XTS": FMP_DATA_UNIT_BYTES },
    maxDunBytesSupported: MAX_DUN_BYTES,
    dev: hba.pm,
  });
}

/** `dun` counts up. False when an entry is not one data unit, or the key's bytes are gone. */
function fillPrdt(ctx: BioCryptCtx, dun: Uint32Array, prdt: Uint8Array, at: number, entryCount: number): boolean {
  const { key } = ctx;
  if (!(key instanceof BlkCryptoKey)) return false;
  try {
    return key.withBytes((bytes) => fillEntries(bytes, dun, prdt, at, entryCount));
  } catch (error) {
    if (error instanceof BlkError && error.code === "ENOKEY") return false;
    throw error;
  }
}

function fillEntries(key: Uint8Array, dun: Uint32Array, prdt: Uint8Array, at: number, entryCount: number): boolean {
  for (let index = 0; index < entryCount; index++) {
    const entryAt = at + index * FMP_PRDT_ENTRY_BYTES;
    const isOneDataUnit = prdtBytes(prdt, entryAt) === FMP_DATA_UNIT_BYTES && fmpCryptoKind(prdt, entryAt) === "plain";
    if (!isOneDataUnit) return false;
    buildFmpCrypto(prdt, entryAt, dun, key);
    dunIncrement(dun, 1);
  }
  return true;
}
