import { BLOCK_BYTES, type BlockTransform } from "./block-cipher.js";
import type { CbcScratch } from "./cbc-scratch.js";

/** Encrypts a chunk in CBC mode, under one key. */
export interface CbcEncryptor {
  /** Encrypts `scratch.data` in place, data units from its start; their IVs are `scratch.lanes`, which change. */
  run(scratch: CbcScratch, dataUnits: number, blocksPerDataUnit: number): void;
  /** Wipes the key; the encryptor is not used again. */
  clear(): void;
}

/**
 * All data units at once, block by block: a block has to wait for the one before it in its data unit, but not for those of
 * other data units. One call to the block cipher for each block position.
 */
export class LockstepCbcEncryptor implements CbcEncryptor {
  readonly #transform: BlockTransform;

  constructor(transform: BlockTransform) {
    this.#transform = transform;
  }

  run(scratch: CbcScratch, dataUnits: number, blocksPerDataUnit: number): void {
    const lanes = scratch.lanes.subarray(0, dataUnits * BLOCK_BYTES);
    for (let block = 0; block < blocksPerDataUnit; block++) {
      scratch.addToLanes(dataUnits, blocksPerDataUnit, block);
      this.#transform.run(lanes);
      scratch.storeLanes(dataUnits, blocksPerDataUnit, block);
    }
  }

  clear(): void {
    this.#transform.clear();
  }
}
