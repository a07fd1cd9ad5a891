import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

it("[DM-3] [DM-16] software encrypts above device-mapper, and what lands below is the same", () => {
  const program = spawnSync("npm", ["start", "--silent"], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  expect({ status: program.status, stderr: program.stderr }).toEqual({ status: 0, stderr: "" });
  expect(program.stdout.split("\n")).toEqual([
    "encrypts by itself: flash true, ram false, both false",
    "slots of the software fallback with a key: 1; encrypted commands the UFS disk saw: 0",
    "read back: true; both media hold what hardware would have written: true",
    "",
  ]);
}, 120_000);
