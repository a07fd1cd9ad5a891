import { BLOCK_BYTES } from "./block-cipher.js";
import { CHUNK_BYTES, CHUNK_DATA_UNITS } from "./chunk.js";

/**
 * Working memory for one chunk and what CBC computes besides the block cipher. An engine has one, shared by its ciphers: each
 * call leaves it before another begins.
 *
 * A lane is 16 bytes for each data unit: its IV at first, then the ciphertext block that the next one is chained to. Lanes of
 * all data units lie side by side, so that one call to the block cipher advances all of them.
 */
export interface CbcScratch {
  /** What its methods compute with, for people to read. */
  readonly kind: string;
  /** The chunk, `CHUNK_BYTES` long. */
  readonly data: Uint8Array;
  /** For each block of the chunk the one it was chained to, `CHUNK_BYTES` long. */
  readonly previous: Uint8Array;
  /** `CHUNK_DATA_UNITS` lanes. */
  readonly lanes: Uint8Array;

  /** Adds the first `bytes` bytes of `previous` to those of `data`. */
  addPrevious(bytes: number): void;

  /** Adds block number `block` of each data unit to its lane. */
  addToLanes(dataUnits: number, blocksPerDataUnit: number, block: number): void;

  /** Makes each lane block number `block` of its data unit. */
  storeLanes(dataUnits: number, blocksPerDataUnit: number, block: number): void;
}

/** Words in a block. */
const BLOCK_WORDS = BLOCK_BYTES / 4;

function xorWords(target: Int32Array, source: Int32Array, words: number): void {
  for (let i = 0; i < words; i++) target[i] = target[i]! ^ source[i]!;
}

function addToLanes(
  lanes: Int32Array,
  data: Int32Array,
  dataUnits: number,
  unitWords: number,
  firstWord: number,
): void {
  let at = firstWord;
  for (let lane = 0; lane < dataUnits * BLOCK_WORDS; lane += BLOCK_WORDS) {
    for (let i = 0; i < BLOCK_WORDS; i++) lanes[lane + i] = lanes[lane + i]! ^ data[at + i]!;
    at += unitWords;
  }
}

function storeLanes(
  lanes: Int32Array,
  data: Int32Array,
  dataUnits: number,
  unitWords: number,
  firstWord: number,
): void {
  let at = firstWord;
  for (let lane = 0; lane < dataUnits * BLOCK_WORDS; lane += BLOCK_WORDS) {
    for (let i = 0; i < BLOCK_WORDS; i++) data[at + i] = lanes[lane + i]!;
    at += unitWords;
  }
}

/** Scratch memory whose methods are JavaScript. */
export function createJsCbcScratch(): CbcScratch {
  const data = new Int32Array(CHUNK_BYTES / 4);
  const previous = new Int32Array(CHUNK_BYTES / 4);
  const lanes = new Int32Array(CHUNK_DATA_UNITS * BLOCK_WORDS);
  return {
    kind: "JavaScript",
    data: new Uint8Array(data.buffer),
    previous: new Uint8Array(previous.buffer),
    lanes: new Uint8Array(lanes.buffer),
    addPrevious: (bytes) => xorWords(data, previous, bytes / 4),
    addToLanes: (dataUnits, blocksPerDataUnit, block) =>
      addToLanes(lanes, data, dataUnits, blocksPerDataUnit * BLOCK_WORDS, block * BLOCK_WORDS),
    storeLanes: (dataUnits, blocksPerDataUnit, block) =>
      storeLanes(lanes, data, dataUnits, blocksPerDataUnit * BLOCK_WORDS, block * BLOCK_WORDS),
  };
}
