import { type QueueLimits, SECTOR_BYTES, Volume, type VolumeCrypt } from "@inlinecrypt/blk-core";
import { BlkCryptoKey, blkCryptoEvictKey, blkCryptoStartUsingKey } from "@inlinecrypt/blk-crypto-profile";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import { ContentKind } from "./content.js";
import { SectorModel } from "./sector-model.js";
import type { Place, WorldDisk } from "./world-disk.js";

export interface RegionOptions {
  disk: WorldDisk;
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
  readonly disk: WorldDisk;
  /** What the current key is, for the reference cipher. */
  keyBytes: Uint8Array = new Uint8Array(0);
  readonly firstDun: bigint;
  volume: Volume;
  #key: BlkCryptoKey | null = null;
  /** 16 is more than a UFS crypto engine takes, and not more than a simulated disk's. */
  readonly #dunBytes: number;
  readonly #random: SeededRandom;

  constructor(options: RegionOptions) {
    const { disk, startSector, sectors, dataUnitBytes, random } = options;
    this.disk = disk;
    this.startSector = startSector;
    this.sectors = sectors;
    this.encrypted = dataUnitBytes > 0;
    this.dataUnitBytes = dataUnitBytes;
    this.unitSectors = Math.max(dataUnitBytes, disk.blockBytes) / SECTOR_BYTES;
    this.busy = new Int8Array(sectors);
    this.#random = random;
    this.firstDun = random.pick([0n, 2n ** 32n - 7n, 2n ** 64n - 7n]);
    this.#dunBytes = this.firstDun < 2n ** 32n ? 8 : 16;
    if (!this.encrypted) this.#allowPlaintext();
    const isNoise = this.encrypted || this.isEncryptedBelow;
    this.model = new SectorModel(sectors, isNoise ? ContentKind.UNKNOWN : ContentKind.ZEROES);
    this.volume = this.#newVolume();
  }

  get limits(): QueueLimits {
    return this.disk.gendisk.queue.limits;
  }

  /** Whether some of it is encrypted on its way down, whatever it is. */
  get isEncryptedBelow(): boolean {
    for (let sector = 0; sector < this.sectors; sector++) {
      if (this.#placeOf(sector).encryptions.length > 0) return true;
    }
    return false;
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

  /**
   * Evicts and wipes the key and takes another; what was written with it is noise from now on. Needs `isQuiet`; until it
   * is done, the region is busy.
   */
  async changeKey(): Promise<void> {
    this.busy.fill(-1);
    await this.dropKey();
    this.busy.fill(0);
    this.volume = this.#newVolume();
    this.model.forget(0, this.sectors);
  }

  /** The power of a disk was cut that may have some of the region. */
  powerCut(disk: WorldDisk): void {
    const hit = new Set<number>();
    for (let sector = 0; sector < this.sectors; sector++) if (this.#placeOf(sector).disk === disk) hit.add(sector);
    if (hit.size > 0) this.model.powerCut(hit);
  }

  async dropKey(): Promise<void> {
    const key = this.#key;
    if (key === null) return;
    this.#key = null;
    await blkCryptoEvictKey(this.volume.bdev, key);
    key.wipe();
  }

  #placeOf(sector: number): Place {
    return this.disk.placeOf(this.startSector + sector);
  }

  /** Where nothing encrypts. */
  #allowPlaintext(): void {
    for (let at = 0; at < this.sectors; at++) {
      const { disk, sector, encryptions } = this.#placeOf(at);
      if (encryptions.length === 0) disk.medium!.allowPlaintext(sector);
    }
  }

  #newVolume(): Volume {
    const bdev = this.disk.gendisk.partition(`region@${this.startSector}`, this.startSector, this.sectors);
    return new Volume(bdev, this.encrypted ? this.#newCrypt() : null);
  }

  #newCrypt(): VolumeCrypt {
    this.keyBytes = this.#random.fill(new Uint8Array(64));
    const key = new BlkCryptoKey({
      mode: "AES-256-XTS",
      bytes: this.keyBytes,
      dataUnitBytes: this.dataUnitBytes,
      dunBytes: this.#dunBytes,
    });
    this.#key = key;
    blkCryptoStartUsingKey(this.disk.gendisk.part0, key);
    return { key, firstDun: this.firstDun };
  }
}
