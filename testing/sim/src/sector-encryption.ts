import { SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";

/** How a mapped device encrypts what goes through it: AES-256-XTS, IVs counting data units. */
export interface DiskEncryption {
  readonly keyBytes: Uint8Array;
  readonly dataUnitBytes: number;
  /** Added to the device's sectors; whole data units. */
  readonly ivOffset: number;
}

/** What an encryption makes of one sector of its device. */
export class SectorEncryption {
  readonly #encryption: DiskEncryption;
  readonly #sector: number;

  constructor(encryption: DiskEncryption, sector: number) {
    this.#encryption = encryption;
    this.#sector = sector;
  }

  /** By the reference cipher. In XTS a sector does not depend on the others of its data unit. */
  apply(sectorData: Uint8Array): Uint8Array {
    const { keyBytes, dataUnitBytes, ivOffset } = this.#encryption;
    const at = ((this.#sector + ivOffset) * SECTOR_BYTES) % dataUnitBytes;
    const dun = ((this.#sector + ivOffset) * SECTOR_BYTES - at) / dataUnitBytes;
    const unit = new Uint8Array(dataUnitBytes);
    unit.set(sectorData, at);
    return referenceEncrypt("xts(aes)", keyBytes, dataUnitBytes, BigInt(dun), unit).subarray(at, at + SECTOR_BYTES);
  }
}
