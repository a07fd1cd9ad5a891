import {
  type Bio,
  BlkBug,
  BlkError,
  BlkStatus,
  type BlockLayer,
  type CryptoConfig,
  type CryptoFallback,
  type CryptoKeyRef,
  MAX_BLOCK_BYTES,
  opIsWrite,
  SECTOR_BYTES,
} from "@inlinecrypt/blk-core";
import { cryptoModeByNum, type KeyslotInfo } from "@inlinecrypt/blk-crypto-profile";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import { isAligned } from "./alignment.js";
import { FallbackKeyslots } from "./fallback-keyslots.js";
import { FallbackReads } from "./fallback-read.js";
import { FallbackWrites } from "./fallback-write.js";

export interface BlkCryptoFallbackOptions {
  /** Where ciphers come from. Large I/O is computed off the event loop when the engine offers it. */
  engine: SkcipherEngine;
  /**
   * Keys that have a cipher ready at a time; further keys replace those unused for longest.
   *
   * @default 100
   */
  slotCount?: number;
  /**
   * Most bounce bios in flight, each with up to 1 MiB of memory, kept once made; further writes wait.
   *
   * @default 64
   */
  bounceCount?: number;
  /**
   * Most reads in flight; further ones wait.
   *
   * @default 128
   */
  readCount?: number;
}

/** What exists once a block layer has attached the fallback. */
interface Attached {
  readonly layer: BlockLayer;
  readonly keyslots: FallbackKeyslots;
  readonly writes: FallbackWrites;
  readonly reads: FallbackReads;
}

/**
 * Serves the encryption contexts that a device cannot, in software, on any device: what lands on the medium is what
 * crypto hardware would have put there. Hand it to a `BlockLayer`; `blkCryptoStartUsingKey` sets it up for a mode.
 *
 * @kernel block/blk-crypto-fallback.c
 */
export class BlkCryptoFallback implements CryptoFallback {
  readonly #options: BlkCryptoFallbackOptions;
  #attached: Attached | null = null;

  /** @throws BlkError EINVAL for a count below 1. */
  constructor(options: BlkCryptoFallbackOptions) {
    checkCount("slotCount", options.slotCount ?? 1);
    checkCount("bounceCount", options.bounceCount ?? 1);
    checkCount("readCount", options.readCount ?? 1);
    this.#options = options;
  }

  /** @throws BlkBug for a second block layer. */
  attach(layer: BlockLayer): void {
    if (this.#attached !== null) throw new BlkBug("a crypto fallback serves one block layer");
    const { engine, slotCount = 100, bounceCount = 64, readCount = 128 } = this.#options;
    const keyslots = new FallbackKeyslots(layer, engine, slotCount);
    this.#attached = {
      layer,
      keyslots,
      writes: new FallbackWrites(layer, keyslots, engine, bounceCount),
      reads: new FallbackReads(layer, keyslots, engine, readCount),
    };
  }

  /**
   * Takes over a context bio: see `CryptoFallback`. Ends it with NOTSUPP when its key is of a kind software cannot serve,
   * IOERR when its mode was never started, INVAL when its memory is not aligned to its data units.
   *
   * @context hot, may wait: no (the bio waits)
   * @kernel block/blk-crypto-fallback.c: blk_crypto_fallback_bio_prep
   */
  prepBio(bio: Bio): boolean {
    const { writes, reads } = this.#parts;
    const status = this.#check(bio);
    if (status !== BlkStatus.OK) {
      bio.endIoWith(status);
      return false;
    }
    if (!opIsWrite(bio.opf)) return reads.prep(bio);
    writes.submit(bio);
    return false;
  }

  supports(config: CryptoConfig): boolean {
    return config.keyType === "raw";
  }

  /**
   * Allocates the ciphers of the key's mode, unless an earlier key has done so.
   *
   * @throws BlkError EOPNOTSUPP for a wrapped key or a data unit other than 512 to 65536 bytes, ENOPKG when the engine
   * has no cipher for the mode.
   */
  startUsingKey(key: CryptoKeyRef): void {
    const { keyslots } = this.#parts;
    if (!keyslots.profile.capabilities.match(key)) {
      throw new BlkError(
        "EOPNOTSUPP",
        "blk_crypto_start_using_key",
        `software serves raw keys with data units of ${SECTOR_BYTES} to ${MAX_BLOCK_BYTES} bytes, ` +
          `not ${key.keyType} keys with ${key.dataUnitBytes}`,
      );
    }
    keyslots.startMode(cryptoModeByNum(key.modeNum));
  }

  async evictKey(key: CryptoKeyRef): Promise<void> {
    await this.#attached?.keyslots.profile.evictKey(key);
  }

  /** As large as this one, but for a single key at a time. */
  nested(): BlkCryptoFallback {
    const fallback = new BlkCryptoFallback({ ...this.#options, slotCount: 1 });
    fallback.attach(this.#parts.layer);
    return fallback;
  }

  /** The keyslots as they are now, for display. */
  slotTable(): KeyslotInfo[] {
    return this.#attached?.keyslots.profile.slotTable() ?? [];
  }

  /**
   * Wipes all ciphers. Modes have to be started again.
   *
   * @throws BlkBug while there is I/O.
   */
  [Symbol.dispose](): void {
    if (this.#attached === null) return;
    const { keyslots, writes, reads } = this.#attached;
    if (!writes.isIdle || !reads.isIdle) throw new BlkBug("the crypto fallback is destroyed while it has I/O");
    keyslots[Symbol.dispose]();
  }

  get #parts(): Attached {
    if (this.#attached === null) throw new BlkBug("a crypto fallback is used before a block layer has it");
    return this.#attached;
  }

  #check(bio: Bio): BlkStatus {
    const { keyslots, layer } = this.#parts;
    const key = bio.cryptCtx!.key!;
    if (!keyslots.profile.capabilities.match(key)) return BlkStatus.NOTSUPP;
    if (!keyslots.isStarted(key.modeNum)) {
      layer.tracer?.trace("blk_crypto_fallback_bio_prep", { modeNum: key.modeNum, error: "mode not started" });
      return BlkStatus.IOERR;
    }
    return isAligned(bio, key.dataUnitBytes) ? BlkStatus.OK : BlkStatus.INVAL;
  }
}

function checkCount(name: string, count: number): void {
  if (Number.isInteger(count) && count >= 1) return;
  throw new BlkError("EINVAL", "blk_crypto_fallback_init", `${name} is ${count}, expected 1 or more`);
}
