import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const folder = fileURLToPath(new URL("..", import.meta.url));

function start(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("npm", ["start", "--silent", "--", ...args], {
    cwd: folder,
    encoding: "utf8",
    timeout: 60_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

it.each(["7", "1", "a word"])(
  "the volume survives its disk, the same way each time (seed %s)",
  (seed) => {
    const stdout = start("--seed", seed);
    expect(stdout).toContain(`seed ${seed}`);
    expect(stdout).toMatch(/^power cut at \d+\.\d ms; unflushed writes: \{ kept: \d+, lost: \d+, torn: \d+ \}$/m);
    const ended = /how operations ended: \{(.*)\}/.exec(stdout)![1];
    for (const status of ["OK", "ENODATA", "ENODEV"]) expect(ended).toMatch(new RegExp(`${status}: \\d+`));
    expect(stdout).toMatch(/^0 of 512 blocks hold what was never promised$/m);
    expect(start("--seed", seed)).toBe(stdout);
  },
  120_000,
);

it("chooses a seed itself, and says which", () => {
  expect(start()).toMatch(/^seed \d+ \(replay: npm start --prefix examples\/flaky-disk -- --seed \d+\)$/m);
}, 60_000);
