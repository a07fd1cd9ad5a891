import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Workspaces whose tests replace a module, for themselves alone. */
const NEED_ISOLATION = ["packages/skcipher"];

/** Shorter than in `npm test`, as a lost completion makes its test wait for all of it. */
const TEST_TIMEOUT_MS = 10_000;

/**
 * Runs the tests of one workspace of the copy until the first failure.
 *
 * @param {string} copy
 * @param {string} workspace path below the root
 * @param {number} timeoutMs a run that takes longer is killed, and counts as failed
 * @returns {Promise<{ result: "passed" | "failed" | "broken"; detail: string }>} broken: the
 *   planted text is no program, so nothing was tested
 */
export async function runTests(copy, workspace, timeoutMs) {
  const report = join(copy, "mutate-report.json");
  rmSync(report, { force: true });
  const options = ["--bail=1", `--testTimeout=${TEST_TIMEOUT_MS}`];
  if (!NEED_ISOLATION.includes(workspace)) options.push("--no-isolate");
  const { code, stderr } = await vitest(copy, join(copy, workspace), options, report, timeoutMs);
  if (code === 0) return { result: "passed", detail: "" };
  if (code === null) return { result: "failed", detail: `the run does not end within ${timeoutMs / 1000} s` };
  if (!existsSync(report)) return { result: "broken", detail: firstLine(stderr) };
  return firstFailure(JSON.parse(readFileSync(report, "utf8")), join(copy, workspace), stderr);
}

/**
 * Vitest, mostly without a fresh environment for each test file, which takes half the time: no code here keeps state in a
 * module. In a process group of its own, so that its workers can be killed with it.
 */
function vitest(copy, cwd, options, report, timeoutMs) {
  const script = join(copy, "node_modules/vitest/vitest.mjs");
  const args = [script, "run", ...options, "--reporter=json", `--outputFile=${report}`];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, detached: true, stdio: ["ignore", "ignore", "pipe"] });
    const killGroup = () => process.kill(-child.pid, "SIGKILL");
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup();
    }, timeoutMs);
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    process.prependOnceListener("exit", killGroup);
    child.on("close", (code) => {
      clearTimeout(timer);
      process.off("exit", killGroup);
      resolve({ code: timedOut ? null : code, stderr });
    });
  });
}

function firstFailure(report, folder, stderr) {
  const fileOf = ({ name }) => name.slice(folder.length + 1);
  for (const file of report.testResults) {
    const test = file.assertionResults.find((each) => each.status === "failed");
    if (test !== undefined) return { result: "failed", detail: `${fileOf(file)}: ${test.fullName}` };
  }
  const unloaded = report.testResults.find(({ status }) => status === "failed");
  if (unloaded === undefined) return { result: "failed", detail: `an error outside of any test: ${firstLine(stderr)}` };
  // A file that throws while it loads has noticed the bug, unless what was planted is no program.
  const result = unloaded.message.includes("Transform failed") ? "broken" : "failed";
  return { result, detail: `${fileOf(unloaded)} does not load: ${firstLine(unloaded.message)}` };
}

function firstLine(text) {
  const lines = text.split("\n").filter((line) => /\w/.test(line));
  return lines.find((line) => /(Error|Bug)\b/.test(line)) ?? lines[0] ?? "nothing on stderr";
}
