import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { generate, targetOf, WASM_MODULES } from "../../assembly/build.js";

test.each(WASM_MODULES)(
  "the module in the source is what assembly/%s.ts compiles to",
  async (name) => {
    expect(readFileSync(targetOf(name), "utf8")).toBe(await generate(name));
  },
  60_000,
);
