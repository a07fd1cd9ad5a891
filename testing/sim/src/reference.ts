import { SECTOR_BYTES } from "@inlinecrypt/blk-core";
import type { SeededRandom } from "@inlinecrypt/blk-sim";
import { encryptDataUnits } from "@inlinecrypt/reference-crypto";
import { ContentKind, fillSector, kindOf } from "./content.js";
import { Violation } from "./load.js";
import type { Region } from "./region.js";
import type { World } from "./world.js";

/** The reference cipher is slow: a few units of each run, many runs. */
const UNITS_A_REGION = 2;

/**
 * Compares some data units of every encrypted region with the reference cipher. Everything must be flushed.
 *
 * @returns how many were compared.
 * @throws Violation
 */
export function compareWithReference(world: World, random: SeededRandom): number {
  let compared = 0;
  for (const region of world.regions) {
    if (!region.encrypted) continue;
    for (let count = 0; count < UNITS_A_REGION; count++) {
      const unit = random.below(region.sectors / region.unitSectors);
      if (compareUnit(region, unit)) compared++;
    }
  }
  return compared;
}

/** False when it is not certain what the unit holds. */
function compareUnit(region: Region, unit: number): boolean {
  const { unitSectors, keyBytes, firstDun, disk } = region;
  const firstSector = unit * unitSectors;
  const plaintext = new Uint32Array((unitSectors * SECTOR_BYTES) / 4);
  for (let at = 0; at < unitSectors; at++) {
    const id = region.model.certainId(firstSector + at);
    if (id === null || kindOf(id) !== ContentKind.DATA) return false;
    fillSector(plaintext, (at * SECTOR_BYTES) / 4, id, firstSector + at);
  }
  const dataUnitBytes = region.dataUnitBytes;
  const firstUnit = BigInt((firstSector * SECTOR_BYTES) / dataUnitBytes);
  const expected = encryptDataUnits(keyBytes, firstDun + firstUnit, dataUnitBytes, new Uint8Array(plaintext.buffer));
  const found = new Uint8Array(expected.length);
  disk.readMedium((region.startSector + firstSector) * SECTOR_BYTES, found);
  if (Buffer.compare(found, expected) !== 0) {
    throw new Violation(
      `${disk.gendisk.name}, sector ${region.startSector + firstSector}: not the reference's ciphertext`,
    );
  }
  return true;
}
