import { SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { startsWithMagic } from "./content.js";
import { Violation } from "./violation.js";

const SECTOR_WORDS = SECTOR_BYTES / 4;

/** What a disk stores, seen past queue, cache and encryption. */
export class Medium {
  readonly #name: string;
  readonly #read: (byteOffset: number, into: Uint8Array) => void;
  /** For each sector, whether plaintext may be found there. */
  readonly #mayBePlain: Uint8Array;

  /** `read` copies what is stored from an offset on. */
  constructor(name: string, sectors: number, read: (byteOffset: number, into: Uint8Array) => void) {
    this.#name = name;
    this.#read = read;
    this.#mayBePlain = new Uint8Array(sectors);
  }

  read(sector: number, into: Uint8Array): void {
    this.#read(sector * SECTOR_BYTES, into);
  }

  mayBePlain(sector: number): boolean {
    return this.#mayBePlain[sector] === 1;
  }

  /** From now on plaintext may be found in a sector, for good: nobody promises to overwrite it. */
  allowPlaintext(sector: number): void {
    this.#mayBePlain[sector] = 1;
  }

  /** Nothing may look like plaintext where there must be none. @throws Violation */
  check(): void {
    const words = new Uint32Array(this.#mayBePlain.length * SECTOR_WORDS);
    this.read(0, new Uint8Array(words.buffer));
    for (let sector = 0; sector < this.#mayBePlain.length; sector++) {
      if (this.mayBePlain(sector) || !startsWithMagic(words, sector * SECTOR_WORDS)) continue;
      throw new Violation(`plaintext on ${this.#name}, sector ${sector}`);
    }
  }
}
