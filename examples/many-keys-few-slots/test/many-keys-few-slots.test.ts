import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";

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

describe.each(["4", "a word"])("a thousand keys on four slots (seed %s)", (seed) => {
  let stdout = "";
  beforeAll(() => {
    stdout = start("--seed", seed);
  }, 120_000);

  /** The numbers of a line of the table. */
  function rowOf(name: string): { ios: number; requests: number; programmings: number } {
    const line = stdout.split("\n").find((candidate) => candidate.startsWith(name))!;
    const [ios, requests, programmings] = line.slice(name.length).trim().split(/\s+/).map(Number);
    return { ios: ios!, requests: requests!, programmings: programmings! };
  }

  it("[INT-5] every page is right, read back and at rest, whatever the order", () => {
    expect(stdout).toMatch(/^0 pages were read back wrong; 0 are wrong at rest, by OpenSSL's count$/m);
    expect(stdout).toMatch(/^one page under 1000 keys: 1000 ciphertexts$/m);
  });

  it("[INT-5] keys that take turns have to be programmed for every I/O", () => {
    for (const name of ["each key in turn, one I/O at a time", "each key in turn, 64 in a plug"]) {
      expect(rowOf(name)).toEqual({ ios: 8000, requests: 8000, programmings: 8000 });
    }
  });

  it("[INT-5] keys that repeat are programmed far less often than there is I/O", () => {
    expect(rowOf("key after key, one I/O at a time")).toEqual({ ios: 8000, requests: 8000, programmings: 2000 });
    expect(rowOf("3 keys for 9 of 10, one at a time").programmings).toBeLessThan(8000 / 8);
  });

  it("[INT-5] of I/O in one plug, neighbours with one key merge, and I/O that waits is served by key", () => {
    expect(rowOf("key after key, 16 in a plug")).toEqual({ ios: 8000, requests: 2000, programmings: 2000 });
    expect(rowOf("16 keys in turn, 64 in a plug").programmings).toBeLessThan(8000 / 2);
  });

  it("[INT-5] twice as many concurrent tasks as slots: the data stays correct, and programming stays rare", () => {
    const { ios, programmings } = rowOf("8 tasks, a random key for 16 each");
    expect(ios).toBe(8000);
    expect(programmings).toBeLessThan(ios / 2);
    const waits = [...stdout.matchAll(/^\d +AES-256-XTS 4096 +0 +\d+ +\d+ +(\d+)/gm)].map((match) => Number(match[1]));
    expect(waits).toHaveLength(4);
    for (const slotWaits of waits) expect(slotWaits).toBeGreaterThan(0);
  });

  it("replays", () => {
    expect(start("--seed", seed)).toBe(stdout);
  }, 120_000);
});
