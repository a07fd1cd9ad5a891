import { describe, expect, test } from "vitest";
import { ChecklistError } from "../src/checklist-error.js";
import { readVitestReport } from "../src/vitest-report.js";
import { ROOT, vitestReport } from "./support.js";

describe("reading a vitest report", () => {
  test("gives files below the root, titles from the outside in, and outcomes", () => {
    const report = vitestReport({
      "packages/a/test/x.test.ts": [
        { ancestorTitles: ["outer", "inner"], title: "works", status: "passed" },
        { title: "breaks", status: "failed" },
      ],
      "testing/b/test/y.test.ts": [
        { title: "is left out", status: "skipped" },
        { title: "waits", status: "pending" },
        { title: "will come", status: "todo" },
      ],
    });
    expect(readVitestReport(report, ROOT)).toEqual([
      { file: "packages/a/test/x.test.ts", titles: ["outer", "inner", "works"], outcome: "passed" },
      { file: "packages/a/test/x.test.ts", titles: ["breaks"], outcome: "failed" },
      { file: "testing/b/test/y.test.ts", titles: ["is left out"], outcome: "skipped" },
      { file: "testing/b/test/y.test.ts", titles: ["waits"], outcome: "skipped" },
      { file: "testing/b/test/y.test.ts", titles: ["will come"], outcome: "skipped" },
    ]);
  });

  test("refuses a run in which a file did not load, whose rows would look untested", () => {
    const report = vitestReport({ "packages/a/test/x.test.ts": [] });
    expect(() => readVitestReport(report, ROOT)).toThrow(
      new ChecklistError("packages/a/test/x.test.ts did not load: SyntaxError: Unexpected token"),
    );
  });

  test.each(["/elsewhere", `${ROOT}/packages/a/test/x.test.ts/below`])(
    "refuses a run of another folder: %s",
    (otherRoot) => {
      const report = vitestReport({ "packages/a/test/x.test.ts": [{ title: "works", status: "passed" }] });
      expect(() => readVitestReport(report, otherRoot)).toThrow(/tests outside of this repository: .*x\.test\.ts/);
    },
  );

  test.each(["", "null", "[]", "{}", '{"testResults":1}', "not JSON"])("refuses what is no report: %j", (json) => {
    expect(() => readVitestReport(json, ROOT)).toThrow(
      new ChecklistError("this is no report of `vitest run --reporter=json`"),
    );
  });
});
