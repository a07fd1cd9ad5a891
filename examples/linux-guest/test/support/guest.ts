import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe } from "vitest";
import { findBios } from "../../src/find-bios.js";

/** What one boot left behind. */
export interface GuestRun {
  readonly exitCode: number | null;
  /** The guest's console. */
  readonly console: readonly string[];
  /** What the host controller told of, on stderr. */
  readonly events: readonly string[];
}

const TSX = createRequire(import.meta.url).resolve("tsx/cli");
const PROGRAM = new URL("../../src/linux-guest.ts", import.meta.url).pathname;

/** Why there is no guest to run: the kernel stays outside of this repository. */
function missingKernel(): string | undefined {
  const kernel = process.env.INLINECRYPT_GUEST_KERNEL;
  if (kernel === undefined) return "INLINECRYPT_GUEST_KERNEL does not name the folder of a guest kernel";
  if (!existsSync(join(kernel, "bzImage"))) return `${kernel} has no bzImage`;
  return undefined;
}

/** Programs that packages have: missing ones fail the tests where INLINECRYPT_REQUIRE_PEERS is set. */
function missingPeers(): string | undefined {
  if (process.env.INLINECRYPT_REQUIRE_PEERS) return undefined;
  const missing = ["mke2fs", "debugfs", "e2fsck"].filter((name) => !hasProgram(name));
  if (findBios() === undefined) missing.push("seabios");
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v "$1"`, "sh", name]).status === 0;
}

/** `describe` for tests that need the guest; where it cannot run, each of them is skipped and says why. */
export function describeWithGuest(name: string, tests: () => void): void {
  const reason = missingKernel() ?? missingPeers();
  describe(name, () => {
    if (reason !== undefined) beforeEach(({ skip }) => skip(reason));
    tests();
  });
}

/** Boots the guest with a job on a disk image, as `pnpm guest` does. */
export async function boot(job: string, disk: string, flags: readonly string[] = []): Promise<GuestRun> {
  const folder = await mkdtemp(join(tmpdir(), "linux-guest-"));
  try {
    const jobFile = join(folder, "job.sh");
    await writeFile(jobFile, job);
    return await run(["--job", jobFile, "--disk", disk, ...flags]);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The words after `@@TAG` of each such line of the console. */
export function told(run: GuestRun, tag: string): string[][] {
  return run.console.filter((line) => line.startsWith(`@@${tag} `)).map((line) => line.split(" ").slice(1));
}

async function run(args: readonly string[]): Promise<GuestRun> {
  const child = spawn(process.execPath, [TSX, "--conditions=@inlinecrypt/source", PROGRAM, ...args]);
  const output = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.err += text;
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { exitCode, console: lines(output.out), events: lines(output.err) };
}

function lines(text: string): string[] {
  return text.split(/\r*\n/).filter((line) => line !== "");
}
