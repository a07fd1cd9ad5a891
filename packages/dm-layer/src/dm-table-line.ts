import { BlkError } from "@inlinecrypt/blk-core";

/** Bytes are counted too, and numbers stay below 2^53. */
const MAX_SECTORS = 2 ** 44 - 1;

/** A line of a table, taken apart. */
export interface DmTableLine {
  /** First sector of the mapped device. */
  readonly begin: number;
  readonly sectors: number;
  /** Name of the target type. */
  readonly type: string;
  readonly args: readonly string[];
}

/**
 * Takes a table apart: `start length type args...` a line, as dmsetup reads it. Empty lines are skipped, and comments, from
 * a word that starts with `#` to the end of the line; a backslash keeps a blank inside an argument, or a `#` in front of it.
 * (For dmsetup any `#` behind the type starts a comment.)
 *
 * @throws BlkError EINVAL naming the line.
 */
export function parseTable(text: string): DmTableLine[] {
  const lines: DmTableLine[] = [];
  text.split("\n").forEach((line, index) => {
    const words = quotedWords(line);
    const comment = words.findIndex((word) => word.startsWith("#"));
    if (comment !== -1) words.length = comment;
    if (words.length > 0) lines.push(parseLine(words.map(unquote), index + 1));
  });
  return lines;
}

/** The line that `parseTable` takes apart into these. */
export function formatTableLine(begin: number, sectors: number, type: string, params: string): string {
  return `${begin} ${sectors} ${type} ${params}`;
}

/** Words between blanks; a backslash takes what follows as it is. @kernel drivers/md/dm-table.c: dm_split_args */
export function splitArgs(text: string): string[] {
  return quotedWords(text).map(unquote);
}

/** The text that `splitArgs` and `parseTable` take for this one word. */
export function quoteArg(word: string): string {
  return word.replace(/^#|[\s\\]/g, "\\$&");
}

function quotedWords(text: string): string[] {
  return text.match(/(?:\\.|[^\s\\]|\\$)+/gs) ?? [];
}

function unquote(word: string): string {
  return word.replace(/\\(.)/gs, "$1");
}

function parseLine(words: readonly string[], lineNumber: number): DmTableLine {
  const [begin, sectors, type, ...args] = words;
  if (type === undefined) refuse(lineNumber, `${words.length} words, expected start, length and target type`);
  const line = {
    begin: parseSectors(begin!, "the start sector", lineNumber),
    sectors: parseSectors(sectors!, "the length", lineNumber),
    type,
    args,
  };
  if (line.begin + line.sectors > MAX_SECTORS) refuse(lineNumber, `the target ends behind sector ${MAX_SECTORS}`);
  return line;
}

function parseSectors(word: string, what: string, lineNumber: number): number {
  const value = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (value <= MAX_SECTORS) return value;
  refuse(lineNumber, `${what} is a decimal number of sectors, at most ${MAX_SECTORS}`);
}

function refuse(lineNumber: number, message: string): never {
  throw new BlkError("EINVAL", "dm_table", `line ${lineNumber}: ${message}`);
}
