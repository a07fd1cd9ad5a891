import { describe, expect, test } from "vitest";
import { ChecklistError } from "../src/checklist-error.js";
import { coverRows } from "../src/cover-rows.js";
import type { TestOutcome } from "../src/vitest-report.js";
import { reported, sections } from "./support.js";

function resultsOf(...outcomes: TestOutcome[]): string {
  const tests = outcomes.map((outcome, index) => reported("x.test.ts", [`[API-1] test ${index}`], outcome));
  return coverRows(sections, tests)[0]!.rows[0]!.result;
}

describe("covering rows", () => {
  test("finds ids in a title and in the titles around it, several of them, each once", () => {
    const [api, int] = coverRows(sections, [
      reported("x.test.ts", ["outer [INT-1]", "[API-2] [API-1] both [API-2]"]),
      reported("x.test.ts", ["no id, nor is (API-1) one"]),
    ]);
    const title = "outer › both";
    expect(api!.rows.map((row) => row.tests)).toEqual([
      [{ file: "x.test.ts", title, outcome: "passed" }],
      [{ file: "x.test.ts", title, outcome: "passed" }],
    ]);
    expect(int!.rows[0]!.tests).toEqual([{ file: "x.test.ts", title, outcome: "passed" }]);
  });

  test("leaves out seeds, which change from run to run", () => {
    const [row] = coverRows(sections, [reported("x.test.ts", ["[API-1] model", "9 cases (seed 123) agree"])])[0]!.rows;
    expect(row!.tests[0]!.title).toBe("model › 9 cases agree");
  });

  test("sorts the tests of a row by file, then title, whatever order they ran in", () => {
    const tests = [
      reported("b.test.ts", ["[API-1] a"]),
      reported("a.test.ts", ["[API-1] ä"]),
      reported("a.test.ts", ["[API-1] z"]),
      reported("a.test.ts", ["[API-1] Z"]),
    ];
    const sorted = ["a.test.ts Z", "a.test.ts z", "a.test.ts ä", "b.test.ts a"];
    for (const order of [tests, [...tests].reverse()]) {
      const row = coverRows(sections, order)[0]!.rows[0]!;
      expect(row.tests.map(({ file, title }) => `${file} ${title}`)).toEqual(sorted);
    }
  });

  test("a row passes when a test passed and none failed", () => {
    expect(resultsOf("passed", "skipped")).toBe("pass");
    expect(resultsOf("passed", "failed", "passed")).toBe("fail");
    expect(resultsOf("failed", "skipped")).toBe("fail");
    expect(resultsOf("skipped", "skipped")).toBe("skipped");
    expect(resultsOf()).toBe("no test yet");
  });

  test("names every test with an id that is no row's", () => {
    const tests = [
      reported("x.test.ts", ["outer", "[API-3] beyond the last row"]),
      reported("y.test.ts", ["[APPI-1] a typo"]),
      reported("y.test.ts", ["[API-1] fine"]),
    ];
    expect(() => coverRows(sections, tests)).toThrow(
      new ChecklistError(
        "no row of the checklist has the id\n" +
          "  [API-3] in x.test.ts: outer › [API-3] beyond the last row\n" +
          "  [APPI-1] in y.test.ts: [APPI-1] a typo",
      ),
    );
  });
});
