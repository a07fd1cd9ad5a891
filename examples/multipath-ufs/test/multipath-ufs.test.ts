import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

it("[DM-17] [DM-20] a path dies under load and comes back, and nobody above notices", () => {
  const program = spawnSync("npm", ["start", "--silent"], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  expect({ status: program.status, stderr: program.stderr }).toEqual({ status: 0, stderr: "" });
  expect(program.stdout).toMatch(/path one has died .* one F 1 two A 0/);
  expect(program.stdout).toMatch(/path one is back .* one A 1 two A 0/);
  expect(program.stdout).toContain("1024 blocks written and read back, 0 wrong, no I/O failed");
  expect(program.stdout).toContain("keyslots with a key after the eviction, on both paths: 0");
}, 120_000);
