import { SECTOR_BYTES, Volume, type VolumeCrypt } from "@inlinecrypt/blk-core";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import type { SeededRandom, SimDisk } from "@inlinecrypt/blk-sim";
import { ContentKind } from "./content.js";
import { SectorModel } from "./sector-model.js";

export interface RegionOptions {
  sim: SimDisk;
  startSector: number;
  sectors: number;
  /** 0: the region is not encrypted. */
  dataUnitBytes: number;
  random: SeededRandom;
}

/** A partition with a key of its own, or none, and what it must hold. */
export class Region {
  readonly startSector: number;
  readonly sectors: number;
  /** I/O is made of these. */
  readonly unitSectors: number;
  readonly encrypted: boolean;
  /** 0 when it is not encrypted. */
  readonly dataUnitBytes: number;
  readonly model: SectorModel;
  /** I/O in flight by sector: -1 is a write, a positive number counts reads. */
  readonly busy: Int8Array;
  readonly sim: SimDisk;
  /** What the current key is, for the reference cipher. */
  keyBytes: Uint8Array = new Uint8Array(0);
  readonly firstDun: bigint;
  volume: Volume;
  #key: BlkCryptoKey | null = null;
  readonly #random: SeededRandom;

  constructor(options: RegionOptions) {
    const { sim, startSector, sectors, dataUnitBytes, random } = options;
    this.sim = sim;
    this.startSector = startSector;
    this.sectors = sectors;
    this.encrypted = dataUnitBytes > 0;
    this.dataUnitBytes = dataUnitBytes;
    this.unitSectors = Math.max(dataUnitBytes, sim.queue.limits.logicalBlockBytes) / SECTOR_BYTES;
    this.busy = new Int8Array(sectors);
    this.#random = random;
    this.firstDun = random.pick([0n, 2n ** 32n - 7n, 2n ** 64n - 7n]);
    this.model = new SectorModel(sectors, this.encrypted ? ContentKind.UNKNOWN : ContentKind.ZEROES);
    this.volume = this.#newVolume();
  }

  get isQuiet(): boolean {
    return this.busy.every((count) => count === 0);
  }

  /** Whether I/O may start: nothing writes there, and for a write, nothing reads either. */
  isFree(sector: number, sectors: number, forWrite: boolean): boolean {
    for (let at = sector; at < sector + sectors; at++) {
      if (this.busy[at]! < 0 || (forWrite && this.busy[at]! > 0)) return false;
    }
    return true;
  }

  /** Evicts and wipes the key and takes another; what was written with it is noise from now on. Needs `isQuiet`. */
  changeKey(): void {
    this.dropKey();
    this.volume = this.#newVolume();
    this.model.forget(0, this.sectors);
  }

  dropKey(): void {
    if (this.#key === null) return;
    // With synchronous keyslots the eviction is done when this returns.
    void blkCryptoEvictKey(this.volume.bdev, this.#key);
    this.#key.wipe();
    this.#key = null;
  }

  #newVolume(): Volume {
    const bdev = this.sim.disk.partition(`region@${this.startSector}`, this.startSector, this.sectors);
    return new Volume(bdev, this.encrypted ? this.#newCrypt() : null);
  }

  #newCrypt(): VolumeCrypt {
    this.keyBytes = this.#random.fill(new Uint8Array(64));
    const key = new BlkCryptoKey({
      mode: "AES-256-XTS",
      bytes: this.keyBytes,
      dataUnitBytes: this.dataUnitBytes,
      dunBytes: 16,
    });
    this.#key = key;
    blkCryptoStartUsingKey(this.sim.bdev, key);
    return { key, firstDun: this.firstDun };
  }
}
