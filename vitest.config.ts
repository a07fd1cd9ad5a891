import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: ["packages/*/vitest.config.ts", "testing/*/vitest.config.ts", "examples/*/vitest.config.ts"],
    // Vitest leaves one processor idle, which on two of them is half.
    maxWorkers: "100%",
  },
});
