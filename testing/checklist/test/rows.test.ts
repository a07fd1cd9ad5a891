import { describe, expect, test } from "vitest";
import { checklistSections } from "../src/checklist-rows.js";

const rowCounts = { API: 19, CORE: 44, PROF: 35, SYS: 10, FB: 27, UFS: 27, DM: 27, INT: 10 };

describe("the rows", () => {
  test("are 199, numbered without gaps in eight sections", () => {
    const ids = checklistSections.map(({ rows }) => rows.map((row) => row.id));
    const expected = Object.entries(rowCounts).map(([prefix, count]) =>
      Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`),
    );
    expect(ids).toEqual(expected);
    expect(ids.flat()).toHaveLength(199);
  });

  test("each say what happens, where the kernel does it, and with which result", () => {
    for (const { title, rows } of checklistSections) {
      expect(title).not.toBe("");
      for (const row of rows) {
        expect(row.tags.filter((tag) => !["SEED", "NEW", "STRICT", "EMU", "OPT"].includes(tag))).toEqual([]);
        for (const field of [row.behaviour, row.source, row.result]) expect(field).toMatch(/^\S(.*\S)?$/);
      }
    }
  });
});
