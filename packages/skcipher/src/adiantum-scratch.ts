import { HEADER_KEY_AT, MESSAGE_KEY_AT, NH_KEY_AT, SOFT_KEYS_BYTES, STREAM_KEY_BYTES } from "./adiantum-keys.js";
import { BLOCK_BYTES } from "./block-cipher.js";
import { XChaCha12 } from "./chacha12.js";
import { CHUNK_BYTES, CHUNK_DATA_UNITS } from "./chunk.js";
import { addLe128, subtractLe128 } from "./le128.js";
import { NH_HASH_WORDS, NH_KEY_WORDS, NH_MESSAGE_WORDS, nh } from "./nh.js";
import { Poly1305 } from "./poly1305.js";
import { secretBytes } from "./secret-bytes.js";

/** Bytes of a tweak: the whole DUN. */
export const TWEAK_BYTES = 32;

/**
 * Working memory for one chunk and what Adiantum computes besides the block cipher. An engine has one, shared by its ciphers:
 * each call leaves it before another begins.
 *
 * The right half of a data unit is its last 16 bytes, the left half what comes before. The middle is what goes through the
 * block cipher; middles of all data units lie side by side.
 */
export interface AdiantumScratch {
  /** What its methods compute with, for people to read. */
  readonly kind: string;
  /** The chunk, `CHUNK_BYTES` long. */
  readonly data: Uint8Array;
  /** A tweak for each data unit. */
  readonly tweaks: Uint8Array;
  /** A block for each data unit. */
  readonly middles: Uint8Array;
  /** Keys of stream cipher and hash, as `adiantum-keys.ts` lays them out. */
  readonly softKeys: Uint8Array;

  /** Makes each middle the sum of its data unit's right half and the hash of tweak and left half. */
  hashToMiddles(dataUnits: number, dataUnitBytes: number): void;

  /** Adds to each left half the key stream of its middle. */
  addStream(dataUnits: number, dataUnitBytes: number): void;

  /** Makes each right half the difference of its middle and the hash of tweak and left half; the tweaks are those before. */
  hashFromMiddles(dataUnits: number, dataUnitBytes: number): void;

  /** Wipes all of it. */
  wipe(): void;
}

/** Scratch memory whose methods are JavaScript. */
class JsAdiantumScratch implements AdiantumScratch {
  readonly kind = "JavaScript";
  readonly #data = new Int32Array(CHUNK_BYTES / 4);
  readonly #tweaks = new Int32Array((CHUNK_DATA_UNITS * TWEAK_BYTES) / 4);
  readonly #middles = new Int32Array((CHUNK_DATA_UNITS * BLOCK_BYTES) / 4);
  /** For each data unit the hash of its header, which is part of both hashes. */
  readonly #headers = new Int32Array((CHUNK_DATA_UNITS * BLOCK_BYTES) / 4);
  readonly #softKeys = new Int32Array(secretBytes(SOFT_KEYS_BYTES).buffer);
  readonly #streamKey = this.#softKeys.subarray(0, STREAM_KEY_BYTES / 4);
  readonly #nhKey = this.#softKeys.subarray(NH_KEY_AT / 4, NH_KEY_AT / 4 + NH_KEY_WORDS);
  readonly #nhHash = new Int32Array(secretBytes(4 * NH_HASH_WORDS).buffer);
  readonly #digest = new Int32Array(secretBytes(BLOCK_BYTES).buffer);
  readonly #poly1305 = new Poly1305();
  readonly #stream = new XChaCha12();
  readonly data = new Uint8Array(this.#data.buffer);
  readonly tweaks = new Uint8Array(this.#tweaks.buffer);
  readonly middles = new Uint8Array(this.#middles.buffer);
  readonly softKeys = new Uint8Array(this.#softKeys.buffer);

  hashToMiddles(dataUnits: number, dataUnitBytes: number): void {
    const leftWords = (dataUnitBytes - BLOCK_BYTES) / 4;
    this.#hashHeaders(dataUnits, leftWords);
    this.#poly1305.setKey(this.#softKeys, MESSAGE_KEY_AT / 4);
    for (let unit = 0; unit < dataUnits; unit++) {
      const at = (unit * dataUnitBytes) / 4;
      this.#middles.set(this.#data.subarray(at + leftWords, at + leftWords + 4), 4 * unit);
      this.#hashMessage(at, leftWords);
      addLe128(this.#middles, 4 * unit, this.#headers, 4 * unit);
      addLe128(this.#middles, 4 * unit, this.#digest, 0);
    }
  }

  addStream(dataUnits: number, dataUnitBytes: number): void {
    const leftWords = (dataUnitBytes - BLOCK_BYTES) / 4;
    for (let unit = 0; unit < dataUnits; unit++) {
      this.#stream.start(this.#streamKey, this.#middles, 4 * unit, 1);
      this.#stream.add(this.#data, (unit * dataUnitBytes) / 4, leftWords);
    }
  }

  hashFromMiddles(dataUnits: number, dataUnitBytes: number): void {
    const leftWords = (dataUnitBytes - BLOCK_BYTES) / 4;
    this.#poly1305.setKey(this.#softKeys, MESSAGE_KEY_AT / 4);
    for (let unit = 0; unit < dataUnits; unit++) {
      const at = (unit * dataUnitBytes) / 4;
      this.#hashMessage(at, leftWords);
      subtractLe128(this.#middles, 4 * unit, this.#headers, 4 * unit);
      subtractLe128(this.#middles, 4 * unit, this.#digest, 0);
      this.#data.set(this.#middles.subarray(4 * unit, 4 * unit + 4), at + leftWords);
    }
  }

  wipe(): void {
    for (const words of [this.#data, this.#tweaks, this.#middles, this.#headers, this.#softKeys]) words.fill(0);
    this.#nhHash.fill(0);
    this.#digest.fill(0);
    this.#poly1305.clear();
    this.#stream.clear();
  }

  /** Poly1305 of how many bits the left half has, in 128 bits, and of the tweak. */
  #hashHeaders(dataUnits: number, leftWords: number): void {
    this.#poly1305.setKey(this.#softKeys, HEADER_KEY_AT / 4);
    for (let unit = 0; unit < dataUnits; unit++) {
      this.#digest.fill(0);
      this.#digest[0] = 32 * leftWords;
      this.#poly1305.start();
      this.#poly1305.addBlock(this.#digest, 0);
      this.#poly1305.addBlock(this.#tweaks, 8 * unit);
      this.#poly1305.addBlock(this.#tweaks, 8 * unit + 4);
      this.#poly1305.finish(this.#headers, 4 * unit);
    }
  }

  /** Poly1305 of NH of each 1024 bytes of a left half. */
  #hashMessage(at: number, leftWords: number): void {
    this.#poly1305.start();
    for (let done = 0; done < leftWords; done += NH_MESSAGE_WORDS) {
      nh(this.#nhHash, this.#nhKey, this.#data, at + done, Math.min(NH_MESSAGE_WORDS, leftWords - done));
      this.#poly1305.addBlock(this.#nhHash, 0);
      this.#poly1305.addBlock(this.#nhHash, 4);
    }
    this.#poly1305.finish(this.#digest, 0);
  }
}

/** Makes scratch memory whose methods are JavaScript. As that of XTS it takes the machine's words for little-endian ones. */
export function createJsAdiantumScratch(): AdiantumScratch {
  return new JsAdiantumScratch();
}
