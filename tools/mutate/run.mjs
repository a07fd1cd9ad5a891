// Plants known bugs, one after the other, in a copy of the repository, and shows which test notices each.
import { parseArgs } from "node:util";
import { makeCopy, removeCopy, root } from "./checkout.mjs";
import { mutations, quickKinds } from "./mutations/index.mjs";
import { misfit, plant } from "./plant.mjs";
import { runTests } from "./run-tests.mjs";

const USAGE = `usage: node tools/mutate/run.mjs [--quick] [--only NAME]... [--head] [--list]
  --quick      only the classes ${quickKinds.join(", ")}
  --only NAME  only this class, package or mutation; may be given several times
  --head       plant in the last commit instead of the files as they are now
  --list       show the mutations and whether they still apply; run nothing
`;

/** The first run of a workspace, without a bug, has to end within this. */
const BASELINE_TIMEOUT_MS = 300_000;
/** Then a run with a bug gets this many times what the first one took, and at least a minute. */
const PATIENCE = 3;

const workspaceOf = (mutation) => mutation.tests ?? mutation.file.split("/").slice(0, 2).join("/");

function selected({ quick, only }) {
  const named = ({ id, kind, file }) => only.some((name) => [id, kind, file.split("/")[1]].includes(name));
  return mutations.filter((each) => (!quick || quickKinds.includes(each.kind)) && (only.length === 0 || named(each)));
}

function line(mutation, verdict, detail) {
  const { id, kind } = mutation;
  const widthOf = (key) => Math.max(...mutations.map((each) => each[key].length));
  return `${verdict.padEnd(8)}  ${kind.padEnd(widthOf("kind"))}  ${id.padEnd(widthOf("id"))}  ${detail}\n`;
}

function list(chosen) {
  let misfits = 0;
  for (const mutation of chosen) {
    const why = misfit(root, mutation);
    if (why !== null) misfits++;
    process.stdout.write(line(mutation, why === null ? "applies" : "MISFIT", why ?? mutation.what));
  }
  return misfits === 0 ? 0 : 1;
}

/** How long the tests of each workspace take without a bug; throws when they fail, as then they would "notice" any. */
async function runBaselines(copy, workspaces) {
  const timeouts = new Map();
  for (const workspace of workspaces) {
    const start = Date.now();
    const { result, detail } = await runTests(copy, workspace, BASELINE_TIMEOUT_MS);
    if (result !== "passed") throw new Error(`the tests of ${workspace} fail without a planted bug: ${detail}`);
    const tookMs = Date.now() - start;
    timeouts.set(workspace, Math.max(60_000, PATIENCE * tookMs));
    process.stderr.write(`${workspace}: all tests pass without a bug, in ${Math.round(tookMs / 1000)} s\n`);
  }
  return timeouts;
}

async function tryMutation(copy, mutation, timeouts) {
  const why = misfit(copy, mutation);
  if (why !== null) return { verdict: "MISFIT", detail: why };
  const takeOut = plant(copy, mutation);
  const { result, detail } = await runTests(copy, workspaceOf(mutation), timeouts.get(workspaceOf(mutation)));
  takeOut();
  if (result === "passed") return { verdict: "SURVIVED", detail: mutation.what };
  return { verdict: result === "broken" ? "BROKEN" : "caught", detail };
}

async function runAll(chosen, head) {
  const copy = makeCopy(head);
  process.once("exit", () => removeCopy(copy));
  const timeouts = await runBaselines(copy, new Set(chosen.map(workspaceOf)));
  let caught = 0;
  for (const mutation of chosen) {
    const { verdict, detail } = await tryMutation(copy, mutation, timeouts);
    if (verdict === "caught") caught++;
    process.stdout.write(line(mutation, verdict, detail));
  }
  process.stdout.write(`${caught} of ${chosen.length} planted bugs caught\n`);
  return caught === chosen.length ? 0 : 1;
}

async function main() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      head: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
    },
  });
  const chosen = selected(values);
  if (chosen.length === 0) throw new Error("there is no such mutation; --list shows them");
  return values.list ? list(chosen) : runAll(chosen, values.head);
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`mutate: ${error.message}\n${error.code?.startsWith("ERR_PARSE_ARGS") ? USAGE : ""}`);
  process.exitCode = 2;
}
