import { readFileSync } from "node:fs";

/** The version of this package. Source and build lie equally deep below the manifest. */
export function packageVersion(): string {
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
