import {
  type Bio,
  type CryptoFallback,
  copyDun,
  dunIncrement,
  newDun,
  type QueueLimits,
  ReqFlag,
  SECTOR_BYTES,
  WorkItem,
} from "@inlinecrypt/blk-core";
import {
  BlkCryptoKey,
  blkCryptoEvictKey,
  blkCryptoStartUsingKey,
  type CryptoKeyType,
  type CryptoModeName,
} from "@inlinecrypt/blk-crypto-profile";
import type { DmArgs } from "../dm-args.js";
import type { DmTargetIo } from "../dm-io.js";
import { type DmDeviceVisitor, DmFeature, type DmTarget, type DmTargetType, MapResult } from "../dm-target.js";
import type { DmDev, DmTargetSpec } from "../dm-target-spec.js";
import { runAll } from "../run-all.js";
import { type CryptOptions, checkCryptAlignment, formatCryptOptions, parseCryptOptions } from "./crypt-options.js";
import { parseTableKey } from "./table-key.js";
import { limitsForUnits } from "./unit-limits.js";

/** What differs between the two target types. */
interface Flavour {
  readonly ciphers: ReadonlyMap<string, CryptoModeName>;
  /** Options that say what kind of key it is. */
  readonly keyOptions: Readonly<Record<string, CryptoKeyType>>;
  /** What an upper layer encrypts goes down as it is. Without, a bio that has a context fails. */
  readonly passesEncrypted: boolean;
}

/**
 * Encrypts whole devices by inline encryption: hardware below where it can, else the fallback.
 * `inlinecrypt aes-xts-plain64 <key> <IV offset> <device> <start sector> [<#options> <option>...]`.
 *
 * @kernel drivers/md/dm-inlinecrypt.c
 */
export const inlinecryptTarget: DmTargetType = {
  name: "inlinecrypt",
  version: [1, 0, 0],
  features: 0,
  ctr: (args, spec) =>
    new InlinecryptTarget(args, spec, {
      ciphers: new Map([["aes-xts-plain64", "AES-256-XTS"]]),
      keyOptions: { "keytype:raw": "raw", "keytype:hw-wrapped": "hw-wrapped" },
      passesEncrypted: false,
    }),
};

/**
 * Android's metadata encryption: as `inlinecrypt`, but what upper layers encrypt goes through and is encrypted once. The
 * medium is the same whether hardware or the software fallback does that.
 * Arguments as `inlinecrypt`'s, with `wrappedkey_v0` for a hardware-wrapped key.
 *
 * @kernel android-mainline drivers/md/dm-default-key.c
 */
export const defaultKeyTarget: DmTargetType = {
  name: "default-key",
  version: [2, 1, 0],
  features: DmFeature.PASSES_CRYPTO,
  ctr: (args, spec) =>
    new InlinecryptTarget(args, spec, {
      ciphers: new Map([
        ["aes-xts-plain64", "AES-256-XTS"],
        ["xchacha12,aes-adiantum-plain64", "Adiantum"],
      ]),
      keyOptions: { wrappedkey_v0: "hw-wrapped" },
      passesEncrypted: true,
    }),
};

class InlinecryptTarget implements DmTarget {
  readonly numFlushBios = 1;
  readonly numDiscardBios: number;
  readonly #spec: DmTargetSpec;
  readonly #dev: DmDev;
  readonly #start: number;
  readonly #cipher: string;
  readonly #shownKey: string;
  readonly #ivOffset: bigint;
  readonly #options: CryptOptions;
  readonly #passesEncrypted: boolean;
  readonly #key: BlkCryptoKey;
  /**
   * For a device that cannot do this. Not the block layer's: what waits for this I/O may hold all that one has. Null: the
   * device can.
   */
  readonly #fallback: CryptoFallback | null;
  readonly #unitSectors: number;
  readonly #firstDun = newDun();
  readonly #dun = newDun();
  readonly #retryWork = new WorkItem(() => this.#retry());
  /** I/O for which there was no context. There are as many as bios, so that is over in a moment. */
  #firstWaiting: DmTargetIo | null = null;

  /** @kernel drivers/md/dm-inlinecrypt.c: inlinecrypt_ctr */
  constructor(args: DmArgs, spec: DmTargetSpec, flavour: Flavour) {
    this.#spec = spec;
    this.#passesEncrypted = flavour.passesEncrypted;
    this.#cipher = args.word("the cipher");
    const mode = flavour.ciphers.get(this.#cipher);
    if (mode === undefined) args.refuse(`unknown cipher, expected ${[...flavour.ciphers.keys()].join(" or ")}`);
    const key = parseTableKey(args.word("the key"), args, spec);
    this.#shownKey = key.shown;
    try {
      this.#ivOffset = args.bigNumber("the IV offset");
      const device = args.word("the device");
      this.#start = args.number("the start sector");
      this.#options = parseCryptOptions(args, Object.keys(flavour.keyOptions));
      this.#unitSectors = this.#options.sectorBytes / SECTOR_BYTES;
      checkOptions(args, this.#options);
      checkCryptAlignment(args, this.#options, spec.sectors, this.#ivOffset);
      this.#dev = spec.getDevice(device);
      this.#key = this.#newKey(mode, key.bytes, flavour.keyOptions[this.#options.others[0] ?? ""] ?? "raw");
    } finally {
      key.bytes.fill(0);
    }
    this.#fallback = this.#startUsingKey();
    this.numDiscardBios = this.#options.allowDiscards ? 1 : 0;
    copyDun(this.#firstDun, newDun(this.#ivOffset / BigInt(this.#unitSectors)));
  }

  /** @kernel drivers/md/dm-inlinecrypt.c: inlinecrypt_map */
  map(bio: Bio, io: DmTargetIo): MapResult {
    const { bdev } = this.#dev;
    bio.setDev(bdev);
    if (bio.bytes === 0) return MapResult.REMAPPED;
    const sector = bio.sector - this.#spec.begin;
    bio.sector = this.#start + sector;
    if (this.#passesEncrypted && isEncryptedAbove(bio)) return MapResult.REMAPPED;
    if (bio.cryptCtx !== null) return MapResult.KILL;
    if (!bio.hasData) return MapResult.REMAPPED;
    if (sector % this.#unitSectors !== 0 || bio.sectors % this.#unitSectors !== 0) return MapResult.KILL;
    if (!this.#attachContext(bio)) return this.#wait(io);
    return this.#isReady(bio) ? MapResult.REMAPPED : MapResult.SUBMITTED;
  }

  iterateDevices(visit: DmDeviceVisitor): void {
    visit(this.#dev.bdev, this.#start, this.#spec.sectors);
  }

  /** Memory that is not aligned to the unit cannot be encrypted inline, so upper layers have to know. */
  ioHints(limits: QueueLimits): QueueLimits {
    const hinted = limitsForUnits(limits, this.#options.sectorBytes);
    return { ...hinted, dmaAlignmentBytes: Math.max(hinted.dmaAlignmentBytes, hinted.logicalBlockBytes) };
  }

  /** The kind of key is an option again, so that the constructor takes what this prints. */
  table(): string {
    const { name } = this.#dev;
    return `${this.#cipher} ${this.#shownKey} ${this.#ivOffset} ${name} ${this.#start}${formatCryptOptions(this.#options)}`;
  }

  /** @kernel drivers/md/dm-inlinecrypt.c: inlinecrypt_dtr */
  dtr(): Promise<void> {
    return runAll([
      () => blkCryptoEvictKey(this.#dev.bdev, this.#key),
      () => this.#fallback?.evictKey(this.#key),
      () => this.#key.wipe(),
    ]);
  }

  #attachContext(bio: Bio): boolean {
    copyDun(this.#dun, this.#firstDun);
    dunIncrement(this.#dun, (bio.sector - this.#start) / this.#unitSectors);
    return bio.setCryptCtx(this.#key, this.#dun);
  }

  /** False when the fallback sends on what is needed, and ends the bio. */
  #isReady(bio: Bio): boolean {
    return this.#fallback === null || this.#fallback.prepBio(bio);
  }

  #wait(io: DmTargetIo): MapResult {
    io.next = this.#firstWaiting;
    this.#firstWaiting = io;
    this.#spec.layer.executor.queueWork(this.#retryWork);
    return MapResult.SUBMITTED;
  }

  #retry(): void {
    let io = this.#firstWaiting;
    this.#firstWaiting = null;
    while (io !== null) {
      const next: DmTargetIo | null = io.next;
      io.next = null;
      if (!this.#attachContext(io.bio!)) this.#wait(io);
      else if (this.#isReady(io.bio!)) io.submit();
      io = next;
    }
  }

  #newKey(mode: CryptoModeName, bytes: Uint8Array, keyType: CryptoKeyType): BlkCryptoKey {
    const lastDun = (this.#ivOffset + BigInt(this.#spec.sectors) - 1n) / BigInt(this.#unitSectors);
    return new BlkCryptoKey({
      mode,
      bytes,
      keyType,
      dataUnitBytes: this.#options.sectorBytes,
      // DUN 0 has a digit, and needs a byte: the kernel counts none, and refuses a device of one unit with offset 0.
      dunBytes: Math.ceil(lastDun.toString(2).length / 8),
    });
  }

  /** Wipes the key when it fails: `dtr` is only called for what was constructed. */
  #startUsingKey(): CryptoFallback | null {
    try {
      blkCryptoStartUsingKey(this.#dev.bdev, this.#key);
      return newFallback(this.#spec, this.#dev, this.#key);
    } catch (error) {
      this.#key.wipe();
      throw error;
    }
  }
}

/** By hardware below, or by the software fallback, which has taken the context away. */
function isEncryptedAbove(bio: Bio): boolean {
  return bio.cryptCtx !== null || (bio.opf & ReqFlag.SKIP_DM_DEFAULT_KEY) !== 0;
}

/** @throws BlkError ENOPKG when it has no such cipher. */
function newFallback({ layer }: DmTargetSpec, { bdev }: DmDev, key: BlkCryptoKey): CryptoFallback | null {
  if (bdev.queue.cryptoProfile.supports(key)) return null;
  const fallback = layer.cryptoFallback.nested?.() ?? layer.cryptoFallback;
  fallback.startUsingKey(key);
  return fallback;
}

function checkOptions(args: DmArgs, options: CryptOptions): void {
  if (options.sectorBytes !== SECTOR_BYTES && !options.ivLargeSectors) {
    args.refuse("sector_size needs iv_large_sectors: the DUN counts data units");
  }
  if (options.others.length > 1) args.refuse(`${options.others.join(" and ")}, expected one kind of key`);
}
