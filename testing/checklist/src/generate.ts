import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ChecklistError } from "./checklist-error.js";
import { checklistSections } from "./checklist-rows.js";
import { coverRows } from "./cover-rows.js";
import { lineDifference } from "./line-difference.js";
import { renderChecklist } from "./render-checklist.js";
import { readVitestReport } from "./vitest-report.js";

const USAGE = `usage: tsx testing/checklist/src/generate.ts REPORT [--check]
  REPORT   what \`vitest run --reporter=json --outputFile=REPORT\` wrote, of all workspaces
  --check  write nothing; fail when docs/checklist.md is not what the report gives
`;

const root = fileURLToPath(new URL("../../..", import.meta.url));
const page = `${root}docs/checklist.md`;

function main(): number {
  const { values, positionals } = parseArgs({ options: { check: { type: "boolean" } }, allowPositionals: true });
  if (positionals.length !== 1) {
    process.stderr.write(USAGE);
    return 2;
  }
  const tests = readVitestReport(readFileSync(positionals[0]!, "utf8"), root);
  const markdown = renderChecklist(coverRows(checklistSections, tests));
  if (values.check === true) return check(markdown);
  writeFileSync(page, markdown);
  return 0;
}

function check(markdown: string): number {
  const difference = lineDifference(readFileSync(page, "utf8"), markdown);
  if (difference === "") return 0;
  process.stderr.write(`docs/checklist.md is not what this test run gives; run \`pnpm checklist\`:\n${difference}`);
  return 1;
}

try {
  process.exitCode = main();
} catch (error) {
  const isOurs = error instanceof ChecklistError || (error as NodeJS.ErrnoException).code !== undefined;
  process.stderr.write(`checklist: ${isOurs ? (error as Error).message : (error as Error).stack}\n`);
  process.exitCode = 2;
}
