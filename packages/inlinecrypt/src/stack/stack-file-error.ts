import { UsageError } from "../failure.js";

/** Something wrong in a stack file, where an editor can jump to. */
export interface StackFileProblem {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  readonly message: string;
}

/** Problems the message tells of: a file of another kind has hundreds. */
const MAX_SHOWN = 10;

/** A stack file that is not one; the message has one line a problem, `FILE:LINE:COLUMN: what was expected`. */
export class StackFileError extends UsageError {
  override readonly name = "StackFileError";
  readonly file: string;
  readonly problems: readonly StackFileProblem[];

  constructor(file: string, problems: readonly StackFileProblem[]) {
    const ordered = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
    super(linesOf(file, ordered).join("\n"));
    this.file = file;
    this.problems = ordered;
  }
}

function linesOf(file: string, problems: readonly StackFileProblem[]): string[] {
  const shown = problems.slice(0, MAX_SHOWN);
  const lines = shown.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`);
  if (problems.length > MAX_SHOWN) lines.push(`${file}: and ${problems.length - MAX_SHOWN} more problems`);
  return lines;
}
