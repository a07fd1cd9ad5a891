// Brings a clone that has only Node and npm to the point where everything is installed and built. Safe to run any time:
// it does nothing that is done already.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}/package.json`, "utf8"));

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Node ${process.versions.node} is too old: this project needs Node ${manifest.engines.node}.`);
}

if (!isInstalled()) {
  say(`installing dependencies with ${manifest.packageManager} (about half a minute the first time)`);
  run("npx", ["--yes", manifest.packageManager, "install", "--frozen-lockfile", "--reporter=append-only"], true);
}
say("building (a second or two when nothing changed)");
run(`${root}/node_modules/.bin/turbo`, ["run", "build", "--output-logs=errors-only"], true);

/** The install is current when pnpm's own record of it is younger than the lockfile and every manifest's lock. */
function isInstalled() {
  const record = `${root}/node_modules/.modules.yaml`;
  if (!existsSync(record) || !existsSync(`${root}/node_modules/.bin/turbo`)) return false;
  return (
    readFileSync(`${root}/node_modules/.pnpm/lock.yaml`, "utf8") === readFileSync(`${root}/pnpm-lock.yaml`, "utf8") &&
    statSync(record).isFile()
  );
}

function run(command, args, quiet) {
  const result = spawnSync(command, args, {
    cwd: root,
    encoding: "utf8",
    stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
    // turbo looks for pnpm, which only npm and pnpm put in the path.
    env: {
      ...process.env,
      PATH: `${root}/node_modules/.bin${delimiter}${process.env.PATH}`,
      CI: "true",
      TURBO_TELEMETRY_DISABLED: "1",
    },
    shell: process.platform === "win32",
  });
  if (result.status === 0) return;
  fail(
    [result.error?.message, result.stdout, result.stderr, `failed: ${command} ${args.join(" ")}`]
      .filter(Boolean)
      .join("\n"),
  );
}

function say(text) {
  process.stderr.write(`inlinecrypt: ${text}\n`);
}

function fail(text) {
  process.stderr.write(`inlinecrypt: ${text}\n`);
  process.exit(1);
}
