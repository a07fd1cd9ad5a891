import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { explainSystemError, UsageError } from "../failure.js";
import type { ExportDefinition, StackDefinition } from "./stack-definition.js";
import { findReferenceProblems } from "./stack-references.js";
import { parseStack, type StackProblem } from "./stack-schema.js";

/** More than any stack anyone writes. */
const FILE_BYTES_MAX = 2 ** 20;

/** Something wrong in a stack file, where an editor can jump to. */
export interface StackFileProblem {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly message: string;
}

/** A stack file that is not one; the message has one line a problem, `FILE:LINE:COLUMN: what was expected`. */
export class StackFileError extends UsageError {
  override readonly name = "StackFileError";
  readonly file: string;
  readonly problems: readonly StackFileProblem[];

  constructor(file: string, problems: readonly StackFileProblem[]) {
    const ordered = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    super(ordered.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`).join("\n"));
    this.file = file;
    this.problems = ordered;
  }
}

/**
 * Reads and checks a stack file. Relative paths in it start at its folder.
 *
 * @throws StackFileError with every problem found
 * @throws RequestError when the file cannot be read
 */
export async function loadStackFile(path: string): Promise<StackDefinition> {
  return resolvePaths(parseStackText(await readStackText(path), path), dirname(resolve(path)));
}

/** Checks the text of a stack file; `path` is for messages, and paths in the text stay as they are. @throws StackFileError */
export function parseStackText(text: string, path: string): StackDefinition {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, intAsBigInt: true, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new StackFileError(
      path,
      document.errors.map((error) => problemAt(lines, error.pos[0], error.message)),
    );
  }
  const { definition, problems } = parseStack(document.toJS({ maxAliasCount: 100 }));
  const found = problems ?? findReferenceProblems(definition);
  if (found.length > 0)
    throw new StackFileError(
      path,
      found.map((problem) => locate(document, lines, problem)),
    );
  return definition!;
}

async function readStackText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > FILE_BYTES_MAX) throw new UsageError(`${path}: ${size} bytes are too many for a stack file`);
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw explainSystemError(`cannot read stack file ${path}`, error);
  }
}

function locate(document: Document, lines: LineCounter, { path, message, atKey }: StackProblem): StackFileProblem {
  const place = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  const text = path.length === 0 ? message : `${place.slice(1)}: ${message}`;
  return problemAt(lines, offsetOf(document, path, atKey), text);
}

function problemAt(lines: LineCounter, offset: number, message: string): StackFileProblem {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1), message };
}

/** Where the node at `path` starts, or its key; for a node that is missing, the innermost one around it. */
function offsetOf(document: Document, path: StackProblem["path"], atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  path.forEach((part, depth) => {
    const [key, value] = step(isAlias(node) ? node.resolve(document) : node, part);
    const wanted = atKey && depth === path.length - 1 ? key : (value ?? key);
    offset = startOf(wanted) ?? offset;
    node = value;
  });
  return offset;
}

function step(within: unknown, part: string | number): [key: unknown, value: unknown] {
  if (isSeq(within)) return [null, within.items[Number(part)]];
  if (!isMap(within)) return [null, null];
  const pair = within.items.find(({ key }) => isScalar(key) && String(key.value) === String(part));
  return [pair?.key, pair?.value];
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function resolvePaths(definition: StackDefinition, folder: string): StackDefinition {
  return {
    ...definition,
    devices: mapValues(definition.devices, (device) =>
      device.driver === "loop" ? { ...device, file: resolve(folder, device.file) } : device,
    ),
    keys: mapValues(definition.keys ?? {}, (key) => ({ ...key, file: resolve(folder, key.file) })),
    exports: (definition.exports ?? []).map((definition) => resolveExport(definition, folder)),
  };
}

function resolveExport(definition: ExportDefinition, folder: string): ExportDefinition {
  if (!("unix" in definition.nbd)) return definition;
  return { ...definition, nbd: { unix: resolve(folder, definition.nbd.unix) } };
}

function mapValues<From, To>(from: Readonly<Record<string, From>>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, map(value)]));
}
