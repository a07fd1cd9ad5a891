import type { SeededRandom } from "@inlinecrypt/blk-sim";
import type { DiskEncryption } from "../sector-encryption.js";
import { type Layout, LinearLayout, type Segment, StripedLayout } from "./layout.js";

/** What a table may do that leaves the layout as it is. */
export interface TableStyle {
  /** I/O that goes through it may fail. */
  readonly faulty: boolean;
  /** Targets begin and end at multiples of it. */
  readonly cutSectors: number;
}

/** Writes tables: for one layout different ones, that all map the same. */
export interface Tables {
  write(layout: Layout, random: SeededRandom, style: TableStyle): string;
}

/** A target type for a segment in one piece. */
export type PieceType = "linear" | "striped" | "flakey" | "delay" | "crypt" | "inlinecrypt";

/** Target types that make no difference to where things lie. */
export interface Palette {
  /** Of the first piece of each table: it decides what the device can do, which stays so. */
  readonly first: readonly PieceType[];
  readonly others: readonly PieceType[];
}

export const plainPalettes: readonly Palette[] = [
  { first: ["linear", "striped"], others: ["linear", "linear", "striped"] },
  { first: ["linear", "striped"], others: ["linear", "linear", "striped"] },
  { first: ["flakey"], others: ["linear", "striped", "flakey"] },
  { first: ["delay"], others: ["linear", "delay", "flakey"] },
];
export const encryptingPalette: Palette = { first: ["crypt", "inlinecrypt"], others: ["crypt", "inlinecrypt"] };

/** Tables for devices that take bios. */
export class BioTables implements Tables {
  readonly #palette: Palette;
  readonly #encryption: DiskEncryption | null;

  constructor(palette: Palette, encryption: DiskEncryption | null) {
    this.#palette = palette;
    this.#encryption = encryption;
  }

  write(layout: Layout, random: SeededRandom, style: TableStyle): string {
    const lines: string[] = [];
    const add = (segment: Segment): void => {
      for (const piece of cut(segment, style.cutSectors, random)) {
        const types = lines.length === 0 ? this.#palette.first : this.#palette.others;
        lines.push(this.#line(piece, random.pick(types), style.faulty, random));
      }
    };
    if (layout instanceof LinearLayout) layout.segments.forEach(add);
    if (layout instanceof StripedLayout) this.#stripe(layout, lines, add, random);
    return lines.join("\n");
  }

  /** Runs of rows, most as `striped`, a few chunk by chunk; the first as the palette wants it. */
  #stripe(layout: StripedLayout, lines: string[], add: (segment: Segment) => void, random: SeededRandom): void {
    const { stripes, chunkSectors, rowSectors } = layout;
    for (let begin = 0; begin < layout.sectors; ) {
      const rowsLeft = (layout.sectors - begin) / rowSectors;
      const isFirst = begin === 0 && this.#palette.first[0] !== "linear";
      if (isFirst || random.oneIn(6)) {
        const end = begin + rowSectors;
        while (begin < end) {
          const chunk = layout.find(begin);
          add(chunk);
          begin += chunk.sectors;
        }
        continue;
      }
      const rows = random.oneIn(2) ? rowsLeft : 1 + random.below(rowsLeft);
      const shift = begin / stripes.length;
      const each = stripes.map(({ below, start }) => ` ${below.name} ${start + shift}`).join("");
      lines.push(`${begin} ${rows * rowSectors} striped ${stripes.length} ${chunkSectors}${each}`);
      begin += rows * rowSectors;
    }
  }

  #line(piece: Segment, type: PieceType, faulty: boolean, random: SeededRandom): string {
    const { begin, sectors, below, start } = piece;
    const at = `${below.name} ${start}`;
    const line = (name: string, args: string): string => `${begin} ${sectors} ${name} ${args}`;
    switch (type) {
      case "linear":
        return line("linear", at);
      case "striped":
        return line("striped", `1 ${chunkFor(sectors, random)} ${at}`);
      case "flakey":
        return line("flakey", faulty ? `${at} ${badTimes(random)}` : `${at} 1 0`);
      case "delay":
        return line("delay", delays(at, random));
      default:
        return line(type, encryptionArgs(this.#encryption!, begin, at));
    }
  }
}

/** Cuts a segment into one to three pieces. Not more: a flush goes to each, and at each level below again. */
function cut(segment: Segment, unit: number, random: SeededRandom): Segment[] {
  const { begin, sectors, below, start } = segment;
  const cuts = new Set([0, sectors]);
  for (let count = random.pick([0, 0, 1, 2]); count > 0; count--)
    cuts.add(unit * random.below(Math.ceil(sectors / unit)));
  const places = [...cuts].sort((one, other) => one - other);
  return places.slice(1).map((end, index) => {
    const from = places[index]!;
    return { begin: begin + from, sectors: end - from, below, start: start + from };
  });
}

/** A chunk that goes into so many sectors: whole data units where they are. */
function chunkFor(sectors: number, random: SeededRandom): number {
  const chunks = [8, 16, 24, 64].filter((chunk) => sectors % chunk === 0);
  return chunks.length > 0 ? random.pick(chunks) : sectors;
}

/** Seconds up and down, and what is bad meanwhile: nothing that lies about data. */
function badTimes(random: SeededRandom): string {
  return `${random.pick(["0 1", "1 1"])} ${random.pick(["0", "1 error_reads", "1 error_writes"])}`;
}

/** The same for all, or others for writes, or for flushes too. */
function delays(at: string, random: SeededRandom): string {
  const each = (): string => `${at} ${random.pick([0, 1, 5, 20])}`;
  return Array.from({ length: random.pick([1, 2, 3]) }, each).join(" ");
}

function encryptionArgs({ keyBytes, dataUnitBytes, ivOffset }: DiskEncryption, begin: number, at: string): string {
  const key = Buffer.from(keyBytes).toString("hex");
  const options = ["allow_discards"];
  if (dataUnitBytes > 512) options.push(`sector_size:${dataUnitBytes}`, "iv_large_sectors");
  return `aes-xts-plain64 ${key} ${ivOffset + begin} ${at} ${options.length} ${options.join(" ")}`;
}
