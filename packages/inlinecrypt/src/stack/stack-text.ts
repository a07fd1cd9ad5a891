import { dirname, resolve } from "node:path";
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLParseError,
} from "yaml";
import type { StackDefinition } from "./stack-definition.js";
import { StackFileError, type StackFileProblem } from "./stack-file-error.js";
import { findReferenceProblems } from "./stack-references.js";
import { parseStack, type StackProblem } from "./stack-schema.js";

/** Checks the text of a stack file; paths in the text start at the folder of `path`, and stay as they are. @throws StackFileError */
export function parseStackText(text: string, path: string): StackDefinition {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, intAsBigInt: true, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new StackFileError(
      path,
      document.errors.map((error) => problemAt(lines, error.pos[0], messageOf(error))),
    );
  }
  const { definition, problems } = parseStack(toValue(document, lines, path));
  const found = problems ?? findReferenceProblems(definition, dirname(resolve(path)));
  if (found.length > 0)
    throw new StackFileError(
      path,
      found.map((problem) => locate(document, lines, problem)),
    );
  return definition!;
}

/** What the parser says, but for advice to who calls it. */
function messageOf({ code, message }: YAMLParseError): string {
  return code === "MULTIPLE_DOCS" ? "a second document starts here; a stack file is one" : message;
}

/** Aliases are followed only here: an alias of nothing, and too many of them, are found now. */
function toValue(document: Document, lines: LineCounter, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new StackFileError(path, [problemAt(lines, offsetOfUnresolvedAlias(document), error.message)]);
  }
}

/** Where the first alias without an anchor before it starts; 0 without one. */
function offsetOfUnresolvedAlias(document: Document): number {
  const anchors = new Set<string>();
  let offset = 0;
  visit(document, {
    Value: (_, { anchor }) => void (anchor !== undefined && anchors.add(anchor)),
    Alias: (_, alias) => {
      if (anchors.has(alias.source)) return undefined;
      offset = startOf(alias) ?? 0;
      return visit.BREAK;
    },
  });
  return offset;
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
