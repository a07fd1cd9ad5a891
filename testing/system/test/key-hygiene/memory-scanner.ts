import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { Needle } from "./needles.js";

const CHUNK_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);

/** A needle's bytes in this process's memory. */
export interface Finding {
  readonly needle: string;
  /** Where, and what the kernel calls the region. */
  readonly at: string;
}

interface Region {
  readonly start: number;
  readonly end: number;
  readonly description: string;
}

/** Looks for needles in all memory of this process that it could have written to: heaps, stacks, data of libraries. */
export class MemoryScanner {
  readonly #names: string[] = [];
  readonly #masked: Uint8Array[] = [];
  readonly #masks: Uint8Array[] = [];
  /** Which needles start with two bytes: the index of the first one plus 1, by those bytes; 0 for none. */
  readonly #firstOf: Uint16Array = new Uint16Array(1 << 16);
  /** The next needle with the same two bytes, in the same way. */
  readonly #nextOf: number[] = [];
  readonly #chunk: Uint8Array = new Uint8Array(CHUNK_BYTES);

  constructor(needles: readonly Needle[]) {
    for (const { name, masked, mask } of needles) this.#add(name, fromHex(masked), fromHex(mask));
  }

  /** Every place where a needle is now. */
  scan(): Finding[] {
    const findings: Finding[] = [];
    const memory = openSync("/proc/self/mem", "r");
    try {
      for (const region of regions()) this.#scanRegion(memory, region, findings);
    } finally {
      closeSync(memory);
    }
    return findings;
  }

  #add(name: string, masked: Uint8Array, mask: Uint8Array): void {
    const start = (masked[0]! ^ mask[0]!) | ((masked[1]! ^ mask[1]!) << 8);
    this.#names.push(name);
    this.#masked.push(masked);
    this.#masks.push(mask);
    this.#nextOf.push(this.#firstOf[start]!);
    this.#firstOf[start] = this.#names.length;
  }

  #scanRegion(memory: number, { start, end, description }: Region, findings: Finding[]): void {
    const overlap = Math.max(...this.#masked.map((needle) => needle.length)) - 1;
    for (let at = start; at < end; at += CHUNK_BYTES - overlap) {
      const bytes = readMemory(memory, this.#chunk, at, Math.min(CHUNK_BYTES, end - at));
      const found = this.#search(bytes);
      // What was read is wiped before anything is allocated: the scanner must not be what it finds next time.
      this.#chunk.fill(0);
      for (const { index, offset } of found) {
        findings.push({ needle: this.#names[index]!, at: `${(at + offset).toString(16)} ${description}` });
      }
    }
  }

  #search(bytes: number): { index: number; offset: number }[] {
    const found: { index: number; offset: number }[] = [];
    for (let page = 0; page < bytes; page += PAGE_BYTES) {
      const pageEnd = Math.min(page + PAGE_BYTES, bytes - 1);
      // Most memory has never been written to, and comparing is fast.
      if (ZERO_PAGE.compare(this.#chunk, page, pageEnd, 0, pageEnd - page) !== 0)
        this.#searchPage(page, pageEnd, found);
    }
    return found;
  }

  #searchPage(page: number, pageEnd: number, found: { index: number; offset: number }[]): void {
    const chunk = this.#chunk;
    const firstOf = this.#firstOf;
    for (let offset = page; offset < pageEnd; offset++) {
      let candidate = firstOf[chunk[offset]! | (chunk[offset + 1]! << 8)]!;
      for (; candidate !== 0; candidate = this.#nextOf[candidate - 1]!) {
        if (this.#isAt(candidate - 1, offset)) found.push({ index: candidate - 1, offset });
      }
    }
  }

  /** Behind what was read the chunk is zero, so nothing is found there. */
  #isAt(index: number, offset: number): boolean {
    const [masked, mask] = [this.#masked[index]!, this.#masks[index]!];
    for (let at = 0; at < masked.length; at++) {
      if (this.#chunk[offset + at] !== (masked[at]! ^ mask[at]!)) return false;
    }
    return true;
  }
}

/** Readable regions but those that only show a file, and the kernel's own. */
function regions(): Region[] {
  const found: Region[] = [];
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+)\s*(.*)$/.exec(line);
    if (match === null) continue;
    const [, start, end, permissions, inode, name] = match as unknown as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const isFileView = inode !== "0" && !permissions.includes("w");
    if (!permissions.startsWith("r") || isFileView || /^\[v/.test(name)) continue;
    found.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(end, 16),
      description: `${permissions} ${name || "anonymous"}`,
    });
  }
  return found;
}

/** How much could be read: a region may be gone meanwhile. */
function readMemory(memory: number, into: Uint8Array, at: number, bytes: number): number {
  try {
    return readSync(memory, into, 0, bytes, at);
  } catch {
    return 0;
  }
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"));
}
