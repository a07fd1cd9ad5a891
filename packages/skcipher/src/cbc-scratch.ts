import { CHUNK_BYTES } from "./chunk.js";

/** Working memory of CBC for one chunk. An engine has one, shared by its ciphers: each call leaves it before another begins. */
export class CbcScratch {
  readonly dataWords: Int32Array = new Int32Array(CHUNK_BYTES / 4);
  /** For each block of a chunk the one it was chained to. */
  readonly previousWords: Int32Array = new Int32Array(CHUNK_BYTES / 4);
  readonly data: Uint8Array = new Uint8Array(this.dataWords.buffer);
  readonly previous: Uint8Array = new Uint8Array(this.previousWords.buffer);
}
