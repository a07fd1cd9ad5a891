import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

it("[UFS-26] [FB-20] keys in keyslots, and the ciphertext that software writes", () => {
  const program = spawnSync("npm", ["start", "--silent"], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  expect({ status: program.status, stderr: program.stderr }).toEqual({ status: 0, stderr: "" });
  const controller = program.stdout.split("\n").filter((line) => line.startsWith("  controller: "));
  expect(controller.filter((line) => line.includes("programmed"))).toEqual([
    "  controller: keyslot 0 programmed",
    "  controller: keyslot 1 programmed",
    "  controller: keyslot 0 programmed",
  ]);
  expect(controller).toContain("  controller: WRITE of 8192 bytes, keyslot 1, first DUN 4");
  expect(program.stdout.match(/as software writes it: true/g)).toHaveLength(3);
  expect(program.stdout).toContain("slot 1: data units of 4096, key reads as zeroes");
}, 120_000);
