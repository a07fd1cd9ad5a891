import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { run } from "./support/programs.js";
import { Scratch } from "./support/serve.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const tsx = `${root}node_modules/.bin/tsx`;

const readmes = ["README.md", ...readdirSync(`${root}packages`).map((name) => `packages/${name}/README.md`)];
const examples = readmes.flatMap((path) =>
  [...readFileSync(root + path, "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map((match, index) => ({
    name: `${path} #${index + 1}`,
    code: match[1]!,
  })),
);

describe("what the READMEs show", () => {
  it("is there", () => expect(examples.length).toBeGreaterThan(readmes.length / 2));

  it.each(examples)(
    "$name runs",
    async ({ name, code }) => {
      using scratch = new Scratch();
      // Beside this file, so that the packages resolve.
      const path = `${root}testing/system/test/readme-${name.replace(/\W+/g, "-")}.mts`;
      writeFileSync(path, code);
      try {
        await run(tsx, ["--conditions=@inlinecrypt/source", path], { timeoutMs: 30_000, cwd: scratch.folder });
      } finally {
        rmSync(path);
      }
    },
    40_000,
  );
});
