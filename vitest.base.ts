import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Workspace packages resolve to their TypeScript source, so a test never runs against a stale build. */
const sourceConditions = ["@inlinecrypt/source", "node", "import", "module", "default"];

/** What every workspace's `vitest.config.ts` shares; `name` is the project's name in reports. */
export function project(name: string, test: NonNullable<ViteUserConfig["test"]> = {}): ViteUserConfig {
  return defineConfig({
    resolve: { conditions: sourceConditions },
    ssr: { resolve: { conditions: sourceConditions } },
    test: { name, include: ["test/**/*.test.ts"], ...test },
  });
}
