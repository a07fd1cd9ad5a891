import { describe, expect, test } from "vitest";
import { coverRows } from "../src/cover-rows.js";
import { renderChecklist } from "../src/render-checklist.js";
import type { ReportedTest } from "../src/vitest-report.js";
import { reported, sections } from "./support.js";

function linesOf(tests: readonly ReportedTest[]): string[] {
  return renderChecklist(coverRows(sections, tests)).split("\n");
}

describe("the page", () => {
  test("counts the rows of each section and of all", () => {
    const lines = linesOf([
      reported("x.test.ts", ["[API-1] a"]),
      reported("x.test.ts", ["[API-2] b"], "failed"),
      reported("x.test.ts", ["[INT-1] c"], "skipped"),
    ]);
    const start = lines.indexOf("| Section | Rows | pass | fail | skipped | no test yet |");
    expect(lines.slice(start + 2, start + 5)).toEqual([
      "| API | 2 | 1 | 1 | 0 | 0 |",
      "| INT | 1 | 0 | 0 | 1 | 0 |",
      "| **All** | 3 | 1 | 1 | 1 | 0 |",
    ]);
  });

  test("shows each row with its words, its tests as links, and the result", () => {
    const lines = linesOf([
      reported("packages/a/test/model/x.test.ts", ["keys", "[API-1] hold"]),
      reported("packages/a/test/model/x.test.ts", ["keys", "[API-1] stay"]),
      reported("testing/b/test/y.test.ts", ["[API-1] whole stacks"]),
    ]);
    expect(lines).toContain("## API");
    expect(lines).toContain(
      "| API-1 SEED | `a \\| b` holds. | -EINVAL | " +
        "[a/model/x.test.ts](../packages/a/test/model/x.test.ts)<br>– keys › hold<br>– keys › stay<br>" +
        "[b/y.test.ts](../testing/b/test/y.test.ts)<br>– whole stacks | pass |",
    );
    expect(lines).toContain("| API-2 | It ends. | – |  | no test yet |");
    expect(lines).toContain("| INT-1 NEW OPT | All of it. | – |  | no test yet |");
  });

  test("a title cannot break the table", () => {
    const lines = linesOf([reported("x.test.ts", ["[API-2] a|b <b> *c* `d` [e] f_g\\ \n h"])]);
    expect(lines).toContain(
      "| API-2 | It ends. | – | [x.test.ts](../x.test.ts)<br>– a\\|b \\<b\\> \\*c\\* \\`d\\` \\[e\\] f\\_g\\\\ h | pass |",
    );
  });

  test("of many tests in one file it names some, the failed ones first", () => {
    const many = Array.from({ length: 9 }, (_, index) => reported("x.test.ts", [`[API-1] vector ${index}`]));
    const line = linesOf([...many, reported("x.test.ts", ["[API-1] zero"], "failed")]).find((each) =>
      each.startsWith("| API-1 "),
    );
    expect(line).toMatch(
      /<br>– zero \*\*\(failed\)\*\*<br>– vector 0<br>– vector 1<br>– vector 2<br>– vector 3<br>– and 5 more \| \*\*fail\*\* \|$/,
    );
  });

  test("a test that is reported twice is shown once", () => {
    const twice = [reported("x.test.ts", ["[API-2] same"]), reported("x.test.ts", ["[API-2] same"])];
    expect(linesOf(twice)).toContain("| API-2 | It ends. | – | [x.test.ts](../x.test.ts)<br>– same | pass |");
  });

  test("is the same for the same tests in another order", () => {
    const tests = [reported("x.test.ts", ["[API-1] a"]), reported("w.test.ts", ["[API-1] b"])];
    expect(linesOf(tests)).toEqual(linesOf([...tests].reverse()));
  });
});
