import { isAbsolute, relative, sep } from "node:path";
import { ChecklistError } from "./checklist-error.js";

/** How a test ended. Skipped includes tests that are still to be written. */
export type TestOutcome = "passed" | "failed" | "skipped";

/** A test of a run. */
export interface ReportedTest {
  /** Path below the repository's root, with `/`. */
  readonly file: string;
  /** Titles of the describe blocks around it, then its own. */
  readonly titles: readonly string[];
  readonly outcome: TestOutcome;
}

/** As much of the output of `vitest run --reporter=json` as is used here. */
interface VitestReport {
  readonly testResults: readonly {
    /** Absolute path of the test file. */
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

/**
 * Reads the tests out of a vitest JSON report of the repository at `root`.
 *
 * @throws ChecklistError when the text is no such report, when a test file lies elsewhere, and when one did not load:
 * rows that only its tests cover would look as if nobody had written one.
 */
export function readVitestReport(json: string, root: string): ReportedTest[] {
  const tests: ReportedTest[] = [];
  for (const result of parseReport(json).testResults) {
    const file = pathBelow(root, result.name);
    if (result.status === "failed" && result.assertionResults.length === 0) {
      throw new ChecklistError(`${file} did not load: ${result.message}`);
    }
    for (const { ancestorTitles, title, status } of result.assertionResults) {
      tests.push({ file, titles: [...ancestorTitles, title], outcome: outcomeOf(status) });
    }
  }
  return tests;
}

function parseReport(json: string): VitestReport {
  let report: Partial<VitestReport> | null = null;
  try {
    report = JSON.parse(json) as Partial<VitestReport> | null;
  } catch {
    // Said below.
  }
  if (Array.isArray(report?.testResults)) return report as VitestReport;
  throw new ChecklistError("this is no report of `vitest run --reporter=json`");
}

function pathBelow(root: string, path: string): string {
  const below = relative(root, path);
  if (!isAbsolute(below) && below !== ".." && !below.startsWith(`..${sep}`)) return below.split(sep).join("/");
  throw new ChecklistError(`the report has tests outside of this repository: ${path}`);
}

function outcomeOf(status: string): TestOutcome {
  return status === "passed" || status === "failed" ? status : "skipped";
}
