import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

it("[DM-2] [DM-10] [DM-15] the disk below encrypts, in its keyslots", () => {
  const program = spawnSync("npm", ["start", "--silent"], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  expect({ status: program.status, stderr: program.stderr }).toEqual({ status: 0, stderr: "" });
  expect(program.stdout).toContain("swapped\n├── max_dun_bits: 64\n├── num_keyslots: 0\n");
  expect(program.stdout).toContain("keyslots of the UFS disk with a key: 1; of the software fallback: 0");
}, 120_000);
