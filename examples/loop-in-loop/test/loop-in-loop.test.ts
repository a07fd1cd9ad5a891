import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

it("[INT-3] loop devices have no profile: the fallback serves the topmost, and the file holds its ciphertext", () => {
  const program = spawnSync("npm", ["start", "--silent"], { cwd: folder, encoding: "utf8", timeout: 60_000 });
  expect({ status: program.status, stderr: program.stderr }).toEqual({ status: 0, stderr: "" });
  expect(program.stdout.split("\n")).toEqual([
    "encrypts by itself: loop0 false, loop1 false, loop2 false",
    "slots of the software fallback with a key: 1",
    "read back: from loop2 true, from loop1 true, from loop0 true",
    "the file holds what OpenSSL makes of it: true",
    "",
  ]);
}, 120_000);
