import { ChecklistError } from "./checklist-error.js";
import type { ChecklistRow, ChecklistSection } from "./checklist-rows.js";
import { rowIdsIn, shownTitle } from "./row-ids.js";
import type { ReportedTest, TestOutcome } from "./vitest-report.js";

/** What the tests of a row say together: one failure is a failure. */
export type RowResult = "pass" | "fail" | "skipped" | "no test yet";

/** A test as the checklist shows it. */
export interface RowTest {
  readonly file: string;
  /** What identifies it to people: titles without ids. */
  readonly title: string;
  readonly outcome: TestOutcome;
}

/** A row with its tests, sorted by file and title. */
export interface CoveredRow {
  readonly row: ChecklistRow;
  readonly tests: readonly RowTest[];
  readonly result: RowResult;
}

export interface CoveredSection {
  readonly title: string;
  readonly rows: readonly CoveredRow[];
}

/**
 * Gives every row the tests that name it.
 *
 * @throws ChecklistError naming every test whose title has an id that is no row's.
 */
export function coverRows(sections: readonly ChecklistSection[], reported: readonly ReportedTest[]): CoveredSection[] {
  const testsById = new Map<string, RowTest[]>();
  for (const { rows } of sections) for (const { id } of rows) testsById.set(id, []);
  const unknown: string[] = [];
  for (const { file, titles, outcome } of reported) {
    const test = { file, title: titles.map(shownTitle).filter(Boolean).join(" › "), outcome };
    for (const id of rowIdsIn(titles.join(" "))) {
      const tests = testsById.get(id);
      if (tests === undefined) unknown.push(`[${id}] in ${file}: ${titles.join(" › ")}`);
      else tests.push(test);
    }
  }
  if (unknown.length > 0) throw new ChecklistError(`no row of the checklist has the id\n  ${unknown.join("\n  ")}`);
  return sections.map(({ title, rows }) => ({ title, rows: rows.map((row) => coverRow(row, testsById.get(row.id)!)) }));
}

function coverRow(row: ChecklistRow, tests: readonly RowTest[]): CoveredRow {
  const sorted = [...tests].sort((a, b) => compare(a.file, b.file) || compare(a.title, b.title));
  return { row, tests: sorted, result: resultOf(tests) };
}

function resultOf(tests: readonly RowTest[]): RowResult {
  if (tests.length === 0) return "no test yet";
  if (tests.some((test) => test.outcome === "failed")) return "fail";
  return tests.some((test) => test.outcome === "passed") ? "pass" : "skipped";
}

/** By code units: the order must not depend on anybody's language settings. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
