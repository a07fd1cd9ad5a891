import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

/**
 * Runs what docs/write-a-target.md writes: blocks of code that name a file, one after the other, are that file. Its tests
 * become tests of this one.
 */
const guide = readFileSync(new URL("../../../docs/write-a-target.md", import.meta.url), "utf8");
const files = new Map<string, string[]>();
for (const [, name, code] of guide.matchAll(/```ts (\S+)\n([\s\S]*?)```/g)) {
  files.set(name!, [...(files.get(name!) ?? []), code!]);
}

// Beside this file, so that the packages resolve; under a name that no other run takes for a test file.
const folder = mkdtempSync(fileURLToPath(new URL("./write-a-target-", import.meta.url)));
afterAll(() => rmSync(folder, { recursive: true }));
for (const [name, blocks] of files) writeFileSync(`${folder}/${name.replace(".test.", "-test.")}`, blocks.join("\n"));

await import(`${folder}/dust-test.ts`);
