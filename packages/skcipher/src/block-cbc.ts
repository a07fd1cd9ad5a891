import { BLOCK_BYTES, type BlockTransform } from "./block-cipher.js";
import type { CbcScratch } from "./cbc-scratch.js";
import type { CbcTransform } from "./cbc-transform.js";

const BLOCK_WORDS = BLOCK_BYTES / 4;

/**
 * CBC encryption of all data units at once, block by block: a block has to wait for the one before it in its data unit, but not
 * for those of other data units. One call to the block cipher for each block position.
 *
 * Lanes, one for each data unit, lie side by side for that call: its IV at first, then the block that the next one is chained
 * to.
 */
export class LockstepCbcEncryptor implements CbcTransform {
  readonly #transform: BlockTransform;
  readonly #scratch: CbcScratch;

  constructor(transform: BlockTransform, scratch: CbcScratch) {
    this.#transform = transform;
    this.#scratch = scratch;
  }

  run(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, ivs: Uint8Array): void {
    const { data, dataWords, previous, previousWords } = this.#scratch;
    const lanes = previous.subarray(0, ivs.length);
    const laneWords = previousWords.subarray(0, ivs.length / 4);
    const unitWords = dataUnitBytes / 4;
    data.set(src);
    lanes.set(ivs);
    for (let block = 0; block < unitWords; block += BLOCK_WORDS) {
      addToLanes(laneWords, dataWords, block, unitWords);
      this.#transform.run(lanes);
      storeLanes(laneWords, dataWords, block, unitWords);
    }
    dst.set(data.subarray(0, src.length));
  }

  clear(): void {
    this.#transform.clear();
  }
}

/** Adds to each lane a block of its data unit, `at` words behind its start. */
function addToLanes(lanes: Int32Array, data: Int32Array, at: number, unitWords: number): void {
  for (let lane = 0; lane < lanes.length; lane += BLOCK_WORDS) {
    lanes[lane] = lanes[lane]! ^ data[at]!;
    lanes[lane + 1] = lanes[lane + 1]! ^ data[at + 1]!;
    lanes[lane + 2] = lanes[lane + 2]! ^ data[at + 2]!;
    lanes[lane + 3] = lanes[lane + 3]! ^ data[at + 3]!;
    at += unitWords;
  }
}

/** Makes each lane a block of its data unit, `at` words behind its start. */
function storeLanes(lanes: Int32Array, data: Int32Array, at: number, unitWords: number): void {
  for (let lane = 0; lane < lanes.length; lane += BLOCK_WORDS) {
    data[at] = lanes[lane]!;
    data[at + 1] = lanes[lane + 1]!;
    data[at + 2] = lanes[lane + 2]!;
    data[at + 3] = lanes[lane + 3]!;
    at += unitWords;
  }
}

/** CBC decryption: one call to the block cipher, and to each block the one before it is added. */
export class BlockCbcDecryptor implements CbcTransform {
  readonly #transform: BlockTransform;
  readonly #scratch: CbcScratch;

  constructor(transform: BlockTransform, scratch: CbcScratch) {
    this.#transform = transform;
    this.#scratch = scratch;
  }

  run(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, ivs: Uint8Array): void {
    const { data, dataWords, previous, previousWords } = this.#scratch;
    const chunk = data.subarray(0, src.length);
    previous.set(src.subarray(0, src.length - BLOCK_BYTES), BLOCK_BYTES);
    let iv = 0;
    for (let at = 0; at < src.length; at += dataUnitBytes) {
      previous.set(ivs.subarray(iv, iv + BLOCK_BYTES), at);
      iv += BLOCK_BYTES;
    }
    chunk.set(src);
    this.#transform.run(chunk);
    addWords(dataWords, previousWords, src.length / 4);
    dst.set(chunk);
  }

  clear(): void {
    this.#transform.clear();
  }
}

function addWords(target: Int32Array, addend: Int32Array, words: number): void {
  for (let i = 0; i < words; i++) target[i] = target[i]! ^ addend[i]!;
}
