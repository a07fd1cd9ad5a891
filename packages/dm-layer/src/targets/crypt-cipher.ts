import { copyDun, dunIncrement, newDun, SECTOR_BYTES, setDunFromBigInt } from "@inlinecrypt/blk-core";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import type { DmArgs } from "../dm-args.js";

/** Cipher names of table lines that are none of the crypto API. */
const ALIASES: Readonly<Record<string, string>> = {
  "aes-xts-plain64": "xts(aes)",
  "aes-cbc-essiv:sha256": "essiv(cbc(aes),sha256)",
  "xchacha12,aes-adiantum-plain64": "adiantum(xchacha12,aes)",
  "capi:cbc(aes)-essiv:sha256": "essiv(cbc(aes),sha256)",
};

/**
 * The crypto API's name of a table's cipher.
 *
 * @throws BlkError EINVAL listing the ciphers there are.
 * @kernel drivers/md/dm-crypt.c: crypt_ctr_cipher_old, crypt_ctr_cipher_new
 */
export function cipherNameOf(spec: string, engine: SkcipherEngine, args: DmArgs): string {
  const capi = /^capi:(.+)-plain64$/.exec(spec)?.[1];
  const name = ALIASES[spec] ?? capi ?? "";
  if (engine.supports(name)) return name;
  const aliases = Object.keys(ALIASES).filter((alias) => engine.supports(ALIASES[alias]!));
  const names = engine.ciphers.map((cipher) => `capi:${cipher}-plain64`);
  args.refuse(`unknown cipher, expected one of ${[...aliases, ...names].join(" ")}`);
}

/** How a crypt target numbers what it encrypts. */
export interface CryptSectors {
  /** Bytes encrypted at a time, 512 to 4096. */
  readonly sectorBytes: number;
  /** IVs count such units, not sectors of 512 bytes. */
  readonly ivLargeSectors: boolean;
  /** Added to the target's sectors, which have 512 bytes. */
  readonly ivOffset: bigint;
}

/**
 * A cipher with its key, and the IV of each sector of a target.
 *
 * @kernel drivers/md/dm-crypt.c: crypt_convert_block_skcipher, crypt_iv_plain64_gen
 */
export class CryptCipher {
  readonly keyBytes: number;
  readonly #cipher: Skcipher;
  readonly #sectors: CryptSectors;
  readonly #firstDun = newDun();
  readonly #dun = newDun();
  /** Sectors of 512 bytes that one IV stands for. */
  readonly #ivSectors: number;
  /** What IVs rise by from one unit to the next. */
  readonly #ivStep: number;
  #hasKey = false;

  constructor(cipher: Skcipher, sectors: CryptSectors) {
    this.keyBytes = cipher.keyBytes;
    this.#cipher = cipher;
    this.#sectors = sectors;
    const unitSectors = sectors.sectorBytes / SECTOR_BYTES;
    this.#ivSectors = sectors.ivLargeSectors ? unitSectors : 1;
    this.#ivStep = unitSectors / this.#ivSectors;
    setDunFromBigInt(this.#firstDun, sectors.ivOffset / BigInt(this.#ivSectors));
  }

  get hasKey(): boolean {
    return this.#hasKey;
  }

  /** @throws what the cipher says of the key; it then has none. */
  setKey(bytes: Uint8Array): void {
    this.#hasKey = false;
    this.#cipher.setKey(bytes);
    this.#hasKey = true;
  }

  wipeKey(): void {
    this.#hasKey = false;
    this.#cipher.clear();
  }

  /** In place; `sector` counts from the target's begin. @throws what the cipher throws. */
  encrypt(data: Uint8Array, sector: number): void {
    this.#start(sector);
    const { sectorBytes } = this.#sectors;
    if (this.#ivStep === 1) return this.#cipher.encrypt(data, data, sectorBytes, this.#dun);
    for (let at = 0; at < data.length; at += sectorBytes) {
      const unit = data.subarray(at, at + sectorBytes);
      this.#cipher.encrypt(unit, unit, sectorBytes, this.#dun);
      dunIncrement(this.#dun, this.#ivStep);
    }
  }

  /** As `encrypt`. */
  decrypt(data: Uint8Array, sector: number): void {
    this.#start(sector);
    const { sectorBytes } = this.#sectors;
    if (this.#ivStep === 1) return this.#cipher.decrypt(data, data, sectorBytes, this.#dun);
    for (let at = 0; at < data.length; at += sectorBytes) {
      const unit = data.subarray(at, at + sectorBytes);
      this.#cipher.decrypt(unit, unit, sectorBytes, this.#dun);
      dunIncrement(this.#dun, this.#ivStep);
    }
  }

  #start(sector: number): void {
    copyDun(this.#dun, this.#firstDun);
    dunIncrement(this.#dun, sector / this.#ivSectors);
  }
}
