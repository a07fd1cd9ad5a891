import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

it("the vault keeps its secret and ends with 0", () => {
  const { status, stdout, stderr } = spawnSync("npm", ["start", "--silent"], {
    cwd: folder,
    encoding: "utf8",
    timeout: 30_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(/^client sees {2}The combination of the safe is 12-34-56\.$/m);
  expect(stdout).toMatch(/^medium holds [0-9a-f]{40}$/m);
  expect(stdout).toContain("AES-256-XTS");
}, 40_000);
