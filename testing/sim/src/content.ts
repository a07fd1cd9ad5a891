import { SECTOR_BYTES } from "@inlinecrypt/blk-core";

/**
 * What a sector holds, by the id of the write that put it there. The two low bits of an id say what kind it is; the rest
 * counts, so that later writes have larger ids.
 */
export const ContentKind = { DATA: 0, ZEROES: 1, UNKNOWN: 2 } as const;
export type ContentKind = (typeof ContentKind)[keyof typeof ContentKind];

const WORDS = SECTOR_BYTES / 4;
/** "plaintext sector", as four words: no encrypted sector of a medium may begin like this. */
const MAGIC = Uint32Array.of(0x69616c70, 0x7865746e, 0x65732074, 0x726f7463);
const HEADER_WORDS = MAGIC.length + 2;

/** What `parseSector` says of bytes that no write has made. */
export const NOISE = 0xffff_ffff;
/** What it says of zeroes. */
export const ZEROES = 0xffff_fffe;

export function contentId(sequence: number, kind: ContentKind): number {
  return sequence * 4 + kind;
}

export function kindOf(id: number): ContentKind {
  return (id & 3) as ContentKind;
}

function fillerWord(id: number, sector: number, word: number): number {
  return (Math.imul(id, 0x9e3779b1) ^ Math.imul(sector, 0x85ebca6b)) + word;
}

/** Fills one sector, 128 words from `at`, with the data of a write: different in every sector and write. */
export function fillSector(words: Uint32Array, at: number, id: number, sector: number): void {
  for (let word = 0; word < MAGIC.length; word++) words[at + word] = MAGIC[word]!;
  words[at + MAGIC.length] = id;
  words[at + MAGIC.length + 1] = sector;
  for (let word = HEADER_WORDS; word < WORDS; word++) words[at + word] = fillerWord(id, sector, word);
}

/** The id of the write that put these bytes into `sector`, or ZEROES, or NOISE. Every word is looked at. */
export function parseSector(words: Uint32Array, at: number, sector: number): number {
  if (words[at] === 0) return allZero(words, at) ? ZEROES : NOISE;
  if (!startsWithMagic(words, at) || words[at + MAGIC.length + 1] !== sector) return NOISE;
  const id = words[at + MAGIC.length]!;
  for (let word = HEADER_WORDS; word < WORDS; word++) {
    if (words[at + word] !== fillerWord(id, sector, word) >>> 0) return NOISE;
  }
  return id;
}

/** Whether a sector begins as plaintext does. */
export function startsWithMagic(words: Uint32Array, at: number): boolean {
  for (let word = 0; word < MAGIC.length; word++) if (words[at + word] !== MAGIC[word]) return false;
  return true;
}

function allZero(words: Uint32Array, at: number): boolean {
  for (let word = 0; word < WORDS; word++) if (words[at + word] !== 0) return false;
  return true;
}

/** Whether bytes that were found may be what the write `id` left. */
export function matches(id: number, found: number): boolean {
  if (kindOf(id) === ContentKind.UNKNOWN) return true;
  return kindOf(id) === ContentKind.ZEROES ? found === ZEROES : found === id;
}
