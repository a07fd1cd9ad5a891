import { spawn, spawnSync } from "node:child_process";
import { describe } from "vitest";

/** Whether a program is on the PATH. */
function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", `command -v "$1"`, "sh", name]).status === 0;
}

/**
 * A `describe` for tests that need other people's programs. Missing ones skip it by name; where
 * INLINECRYPT_REQUIRE_PEERS is set they fail it instead.
 */
export function describeWithPeers(title: string, programs: readonly string[], body: () => void): void {
  const missing = programs.filter((name) => !hasProgram(name));
  if (missing.length === 0 || process.env.INLINECRYPT_REQUIRE_PEERS) describe(title, body);
  else describe.skip(`${title} (not installed: ${missing.join(", ")})`, body);
}

export interface RunOptions {
  /** @default 60000 */
  timeoutMs?: number;
  /** The folder it runs in. */
  cwd?: string;
}

/** Runs a program to its end. Rejects with its output when it does not end with 0. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { timeoutMs: timeout = 60_000, cwd = process.cwd() } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout, killSignal: "SIGKILL", cwd });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk;
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${signal ?? code}:\n${output}`));
    });
  });
}
