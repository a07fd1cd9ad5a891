import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "vitest";
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

function missing(): string | undefined {
  const kernel = process.env.INLINECRYPT_GUEST_KERNEL;
  if (kernel === undefined) return "INLINECRYPT_GUEST_KERNEL does not name the folder of a guest kernel";
  if (!existsSync(join(kernel, "bzImage"))) return `${kernel} has no bzImage`;
  if (findBios() === undefined) return "seabios is not installed";
  return undefined;
}

/** `describe` where there is a guest kernel; elsewhere skipped, with the reason in its name. */
export function describeWithGuest(name: string, tests: () => void): void {
  const reason = missing();
  if (reason === undefined) describe(name, tests);
  else describe.skip(`${name} (skipped: ${reason})`, tests);
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
