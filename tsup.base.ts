import { defineConfig, type Options } from "tsup";

/** One ESM build with types an entry point; every package's `tsup.config.ts` names its entries and nothing else. */
export function library(entry: Record<string, string>): ReturnType<typeof defineConfig> {
  const options: Options = {
    entry,
    format: "esm",
    target: "node20",
    platform: "neutral",
    external: [/^node:/],
    dts: true,
    sourcemap: true,
    clean: true,
    silent: true,
  };
  return defineConfig(options);
}
