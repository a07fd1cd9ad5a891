import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lineDifference } from "../src/line-difference.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));

describe("the command", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "checklist-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function generate(...args: string[]): { status: number | null; stderr: string } {
    const options = { cwd: root, encoding: "utf8" as const };
    const script = join(root, "testing/checklist/src/generate.ts");
    const { status, stderr } = spawnSync(process.execPath, ["--import", "tsx", script, ...args], options);
    return { status, stderr };
  }

  test("--check ends with 1 and the lines that differ", () => {
    const report = join(folder, "report.json");
    writeFileSync(report, JSON.stringify({ testResults: [] }));
    const { status, stderr } = generate(report, "--check");
    expect(stderr).toMatch(/^docs\/checklist\.md is not what this test run gives; run `pnpm checklist`:\n- /);
    expect(stderr).toMatch(/\n\+ \| API: .* \| 19 \| 0 \| 0 \| 0 \| 19 \|\n/);
    expect(status).toBe(1);
  });

  test("a report that cannot be read ends with 2 and one line", () => {
    const { status, stderr } = generate(join(folder, "missing.json"), "--check");
    expect(stderr).toMatch(/^checklist: ENOENT: no such file or directory, open '.*missing\.json'\n$/);
    expect(status).toBe(2);
  });

  test("without a report it shows its usage", () => {
    const { status, stderr } = generate();
    expect(stderr).toMatch(/^usage: /);
    expect(status).toBe(2);
  });
});

describe("the difference of two texts", () => {
  test("is empty for equal ones, else the lines only one of them has", () => {
    expect(lineDifference("a\nb\n", "a\nb\n")).toBe("");
    expect(lineDifference("a\nb\n", "a\nc\n")).toBe("- b\n+ c\n");
    expect(lineDifference("a\nb\n", "b\na\n")).toBe("(the same lines in another order)\n");
  });

  test("shows ten lines of each", () => {
    const many = Array.from({ length: 12 }, (_, index) => `line ${index}`).join("\n");
    expect(lineDifference(many, "x").split("\n")).toHaveLength(10 + 1 + 1 + 1);
    expect(lineDifference(many, "x")).toContain("- and 2 more\n+ x\n");
  });
});
