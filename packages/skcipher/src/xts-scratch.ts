import { BLOCK_BYTES } from "./block-cipher.js";
import { CHUNK_BYTES, CHUNK_DATA_UNITS } from "./chunk.js";

/** Room for the tweaks of a chunk: one block for each data unit. */
export const XTS_TWEAKS_BYTES: number = CHUNK_DATA_UNITS * BLOCK_BYTES;

/**
 * Working memory for one chunk and the one operation of XTS that no block cipher brings along. An engine has one, shared by
 * its ciphers: each call leaves it before another begins.
 */
export interface XtsScratch {
  /** What {@link XtsScratch.mask} computes with, for people to read. */
  readonly kind: string;
  /** The chunk, `CHUNK_BYTES` long. */
  readonly data: Uint8Array;
  /** The encrypted IV of each data unit, `XTS_TWEAKS_BYTES` long. */
  readonly tweaks: Uint8Array;

  /**
   * Adds to block i of each data unit that data unit's tweak times alpha^i (IEEE 1619 section 5.3).
   *
   * @param dataUnits - how many data units, from the start of `data`, and tweaks, from the start of `tweaks`
   */
  mask(dataUnits: number, blocksPerDataUnit: number): void;
}

/**
 * Four little-endian words make a block. Multiplying by alpha moves them up one bit together; the bit that leaves at the top
 * comes back as 0x87.
 */
function maskWords(data: Int32Array, tweaks: Int32Array, dataUnits: number, blocksPerDataUnit: number): void {
  let at = 0;
  for (let unit = 0; unit < dataUnits; unit++) {
    let t0 = tweaks[4 * unit]!;
    let t1 = tweaks[4 * unit + 1]!;
    let t2 = tweaks[4 * unit + 2]!;
    let t3 = tweaks[4 * unit + 3]!;
    for (let block = 0; block < blocksPerDataUnit; block++) {
      data[at] = data[at]! ^ t0;
      data[at + 1] = data[at + 1]! ^ t1;
      data[at + 2] = data[at + 2]! ^ t2;
      data[at + 3] = data[at + 3]! ^ t3;
      at += 4;
      const reduction = (t3 >> 31) & 0x87;
      t3 = (t3 << 1) | (t2 >>> 31);
      t2 = (t2 << 1) | (t1 >>> 31);
      t1 = (t1 << 1) | (t0 >>> 31);
      t0 = (t0 << 1) ^ reduction;
    }
  }
}

/**
 * Scratch memory whose mask is computed in JavaScript.
 *
 * It takes the machine's words for little-endian ones. On a big-endian machine the engine's self-test fails and the engine
 * refuses to work: wrong ciphertext never leaves it.
 */
export function createJsXtsScratch(): XtsScratch {
  const dataWords = new Int32Array(CHUNK_BYTES / 4);
  const tweakWords = new Int32Array(XTS_TWEAKS_BYTES / 4);
  return {
    kind: "JavaScript",
    data: new Uint8Array(dataWords.buffer),
    tweaks: new Uint8Array(tweakWords.buffer),
    mask: (dataUnits, blocksPerDataUnit) => maskWords(dataWords, tweakWords, dataUnits, blocksPerDataUnit),
  };
}
