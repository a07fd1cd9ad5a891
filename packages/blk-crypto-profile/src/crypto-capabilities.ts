import { BlkError, type CryptoConfig } from "@inlinecrypt/blk-core";
import { BLK_ENCRYPTION_MODE_MAX, type CryptoModeName, cryptoModeByName, cryptoModes } from "./crypto-modes.js";

/** Most bytes a DUN can have. @kernel include/linux/blk-crypto.h: BLK_CRYPTO_MAX_IV_SIZE */
const MAX_DUN_BYTES = 32;

/** The kernel's bits. @kernel include/linux/blk-crypto.h: BLK_CRYPTO_KEY_TYPE_RAW, BLK_CRYPTO_KEY_TYPE_HW_WRAPPED */
const KeyTypeBit = { raw: 0x1, "hw-wrapped": 0x2 } as const;

/** Raw bytes, or a blob that only the hardware can unwrap. */
export type CryptoKeyType = keyof typeof KeyTypeBit;

/** What a device's crypto engine can do, as its driver says it. */
export interface CryptoCapabilitiesOptions {
  /**
   * The data unit sizes of each mode, or-ed: `{ "AES-256-XTS": 512 | 4096 }`. Bit i stands for 2^i bytes.
   *
   * @kernel include/linux/blk-crypto-profile.h: blk_crypto_profile.modes_supported
   */
  modesSupported: Readonly<Partial<Record<CryptoModeName, number>>>;
  /** DUNs are 0 to 2^(8 n) - 1; n is 1 to 32. */
  maxDunBytesSupported: number;
  /** @default ["raw"] */
  keyTypesSupported?: readonly CryptoKeyType[];
}

/**
 * What a device's crypto engine can do. A driver sets it once; a layered device narrows and widens it as the devices
 * below it change.
 *
 * @kernel include/linux/blk-crypto-profile.h: modes_supported, max_dun_bytes_supported, key_types_supported
 */
export class CryptoCapabilities {
  /** Data unit sizes, by mode number. */
  readonly #dataUnitMasks = new Uint32Array(BLK_ENCRYPTION_MODE_MAX);
  #maxDunBytes: number;
  #keyTypes = 0;
  /**
   * The key that a profile has found supported last, until the capabilities change: most I/O asks for the same key again, and a
   * comparison is a third of the price.
   */
  lastSupported: CryptoConfig | null = null;

  /**
   * @throws BlkError EINVAL for a mode or key type there is none of, a mask of more than 32 bits, and a count of DUN bytes other
   * than 1 to 32.
   */
  constructor(options: CryptoCapabilitiesOptions) {
    checkDunBytes(options.maxDunBytesSupported);
    this.#maxDunBytes = options.maxDunBytesSupported;
    for (const keyType of options.keyTypesSupported ?? ["raw"]) this.#keyTypes |= keyTypeBit(keyType);
    for (const [name, mask] of Object.entries(options.modesSupported)) {
      const { num } = cryptoModeByName(name);
      if (mask >>> 0 !== mask) refuse(`modesSupported has ${mask} for ${name}, expected a mask of 32 bits`);
      this.#dataUnitMasks[num] = mask;
    }
  }

  /** All there is: what a layered device starts from before it intersects with each device below it. */
  static all(): CryptoCapabilities {
    const modesSupported = Object.fromEntries(cryptoModes.map((mode) => [mode.name, 0xffffffff]));
    return new CryptoCapabilities({
      modesSupported,
      maxDunBytesSupported: MAX_DUN_BYTES,
      keyTypesSupported: ["raw", "hw-wrapped"],
    });
  }

  /** 0 when a layered device has nothing below it that encrypts. */
  get maxDunBytesSupported(): number {
    return this.#maxDunBytes;
  }

  get keyTypesSupported(): CryptoKeyType[] {
    return (["raw", "hw-wrapped"] as const).filter((keyType) => this.hasKeyType(keyType));
  }

  hasKeyType(keyType: CryptoKeyType): boolean {
    return (this.#keyTypes & KeyTypeBit[keyType]) !== 0;
  }

  /** Data unit sizes of a mode, or-ed; 0 when the mode is not supported. */
  dataUnitMask(modeNum: number): number {
    return this.#dataUnitMasks[modeNum] ?? 0;
  }

  /**
   * Whether mode, data unit, DUN bytes and key type all match.
   *
   * @context hot
   * @kernel block/blk-crypto-profile.c: __blk_crypto_cfg_supported
   */
  match(config: CryptoConfig): boolean {
    return (
      (this.dataUnitMask(config.modeNum) & config.dataUnitBytes) !== 0 &&
      config.dunBytes <= this.#maxDunBytes &&
      (this.#keyTypes & (config.keyType === "raw" ? KeyTypeBit.raw : KeyTypeBit["hw-wrapped"])) !== 0
    );
  }

  /**
   * Gives up what `child` cannot do; everything without a child that encrypts.
   *
   * @kernel block/blk-crypto-profile.c: blk_crypto_intersect_capabilities
   */
  intersect(child: CryptoCapabilities | null): void {
    this.lastSupported = null;
    for (let modeNum = 0; modeNum < BLK_ENCRYPTION_MODE_MAX; modeNum++) {
      this.#dataUnitMasks[modeNum]! &= child?.dataUnitMask(modeNum) ?? 0;
    }
    this.#maxDunBytes = Math.min(this.#maxDunBytes, child?.maxDunBytesSupported ?? 0);
    this.#keyTypes &= child === null ? 0 : child.#keyTypes;
  }

  /**
   * Takes over what `source` can do. Bios that were made for what it can no longer do fail: with I/O about, only widen
   * (`blkCryptoHasCapabilities(source, this)`).
   *
   * @kernel block/blk-crypto-profile.c: blk_crypto_update_capabilities
   */
  update(source: CryptoCapabilities): void {
    this.lastSupported = null;
    this.#dataUnitMasks.set(source.#dataUnitMasks);
    this.#maxDunBytes = source.#maxDunBytes;
    this.#keyTypes = source.#keyTypes;
  }

  /** Whether these do all that `reference` do. */
  includes(reference: CryptoCapabilities): boolean {
    for (let modeNum = 0; modeNum < BLK_ENCRYPTION_MODE_MAX; modeNum++) {
      if ((reference.dataUnitMask(modeNum) & ~this.dataUnitMask(modeNum)) !== 0) return false;
    }
    return reference.#maxDunBytes <= this.#maxDunBytes && (reference.#keyTypes & ~this.#keyTypes) === 0;
  }
}

/**
 * Whether `target` can do all that `reference` can, where null is a device that cannot encrypt.
 *
 * @kernel block/blk-crypto-profile.c: blk_crypto_has_capabilities
 */
export function blkCryptoHasCapabilities(
  target: CryptoCapabilities | null,
  reference: CryptoCapabilities | null,
): boolean {
  if (reference === null) return true;
  return target?.includes(reference) ?? false;
}

function keyTypeBit(keyType: string): number {
  if (keyType === "raw" || keyType === "hw-wrapped") return KeyTypeBit[keyType];
  return refuse(`keyTypesSupported has ${JSON.stringify(keyType)}, expected "raw" or "hw-wrapped"`);
}

function checkDunBytes(maxDunBytes: number): void {
  if (Number.isInteger(maxDunBytes) && maxDunBytes >= 1 && maxDunBytes <= MAX_DUN_BYTES) return;
  refuse(`maxDunBytesSupported is ${maxDunBytes}, expected 1 to ${MAX_DUN_BYTES}`);
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", "blk_crypto_profile_init", message);
}
