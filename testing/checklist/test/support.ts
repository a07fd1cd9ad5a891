import type { ChecklistSection } from "../src/checklist-rows.js";
import type { ReportedTest, TestOutcome } from "../src/vitest-report.js";

/** Where the reports of these tests say the repository is. */
export const ROOT = "/repository";

/** A test as vitest's JSON reporter writes it. */
export interface ReportEntry {
  ancestorTitles?: string[];
  title: string;
  status: string;
}

/** A report of vitest's JSON reporter: test files, by their path below the root, with their tests. */
export function vitestReport(files: Record<string, ReportEntry[]>): string {
  const testResults = Object.entries(files).map(([file, entries]) => ({
    name: `${ROOT}/${file}`,
    status: entries.length === 0 || entries.some((entry) => entry.status === "failed") ? "failed" : "passed",
    message: entries.length === 0 ? "SyntaxError: Unexpected token" : "",
    startTime: 1,
    endTime: 2,
    assertionResults: entries.map(({ ancestorTitles = [], title, status }) => ({
      ancestorTitles,
      title,
      fullName: [...ancestorTitles, title].join(" "),
      status,
      duration: 12.5,
      failureMessages: [],
    })),
  }));
  return JSON.stringify({ numTotalTests: 0, success: true, startTime: 1, testResults });
}

export function reported(file: string, titles: string[], outcome: TestOutcome = "passed"): ReportedTest {
  return { file, titles, outcome };
}

/** Two sections of made-up rows. */
export const sections: readonly ChecklistSection[] = [
  {
    title: "API",
    rows: [
      { id: "API-1", tags: ["SEED"], behaviour: "`a | b` holds.", source: "a.c: f", result: "-EINVAL" },
      { id: "API-2", tags: [], behaviour: "It ends.", source: "same", result: "–" },
    ],
  },
  { title: "INT", rows: [{ id: "INT-1", tags: ["NEW", "OPT"], behaviour: "All of it.", source: "doc", result: "–" }] },
];
