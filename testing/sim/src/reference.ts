import { SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import { ContentKind, fillSector, kindOf } from "./content.js";
import type { Region } from "./region.js";
import { Violation } from "./violation.js";
import type { World } from "./world.js";

/** The reference cipher is slow: a few units of each run, many runs. */
const UNITS_A_REGION = 2;

/**
 * Compares some data units of every region that is encrypted, by its own key or on its way down, with the reference cipher. Everything must be flushed.
 *
 * @returns how many were compared.
 * @throws Violation
 */
export function compareWithReference(world: World, random: SeededRandom): number {
  let compared = 0;
  for (const region of world.regions) {
    if (!region.encrypted && !region.isEncryptedBelow) continue;
    for (let count = 0; count < UNITS_A_REGION; count++) {
      const unit = random.below(region.sectors / region.unitSectors);
      if (compareUnit(region, unit)) compared++;
    }
  }
  return compared;
}

/** False when it is not certain what the unit holds. */
function compareUnit(region: Region, unit: number): boolean {
  const { unitSectors } = region;
  const firstSector = unit * unitSectors;
  const plaintext = new Uint32Array((unitSectors * SECTOR_BYTES) / 4);
  for (let at = 0; at < unitSectors; at++) {
    const id = region.model.certainId(firstSector + at);
    if (id === null || kindOf(id) !== ContentKind.DATA) return false;
    fillSector(plaintext, (at * SECTOR_BYTES) / 4, id, firstSector + at);
  }
  const expected = encryptUnit(region, firstSector, new Uint8Array(plaintext.buffer));
  for (let at = 0; at < unitSectors; at++) {
    const begin = at * SECTOR_BYTES;
    compareSector(region, region.startSector + firstSector + at, expected.subarray(begin, begin + SECTOR_BYTES));
  }
  return true;
}

function encryptUnit(
  { encrypted, dataUnitBytes, firstDun, keyBytes }: Region,
  sector: number,
  plaintext: Uint8Array,
): Uint8Array {
  if (!encrypted) return plaintext;
  const firstUnit = BigInt((sector * SECTOR_BYTES) / dataUnitBytes);
  return referenceEncrypt("xts(aes)", keyBytes, dataUnitBytes, firstDun + firstUnit, plaintext);
}

/** `data` is what the region's disk is given for the sector. */
function compareSector({ disk }: Region, sector: number, data: Uint8Array): void {
  const place = disk.placeOf(sector);
  const expected = place.encryptions.reduce((bytes, encryption) => encryption.apply(bytes), data);
  const found = new Uint8Array(SECTOR_BYTES);
  place.disk.medium!.read(place.sector, found);
  if (Buffer.compare(found, expected) !== 0) {
    throw new Violation(`${disk.gendisk.name}, sector ${sector}: not the reference's ciphertext`);
  }
}
