import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Workspace packages resolve to their TypeScript source, so a test never runs against a stale build. */
const sourceConditions = ["@inlinecrypt/source", "node", "import", "module", "default"];

/** What every workspace's `vitest.config.ts` shares; `name` is the project's name in reports. */
export function project(name: string, test: NonNullable<ViteUserConfig["test"]> = {}): ViteUserConfig {
  return defineConfig({
    resolve: { conditions: sourceConditions },
    ssr: { resolve: { conditions: sourceConditions } },
    // Generous, for machines that do other things too: tests wait for events, never for time.
    test: { name, include: ["test/**/*.test.ts"], testTimeout: 30_000, ...test },
  });
}
