import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build, type Options } from "tsup";
import { afterAll, beforeAll, expect, it } from "vitest";
import config from "../../../tsup.config.ts";

/** Encrypts 1 MiB by a worker of the built package; tells whether the node engine gives the same, and of its threads. */
const PROGRAM = `
import { SkcipherRequest } from "./index.js";
import { createNodeEngine, createNodeWorkerEngine } from "./node/index.js";
const dun = new Uint32Array(8);
const bytes = 1 << 20;
const key = new Uint8Array(64).map((_, index) => index);
const engine = createNodeWorkerEngine({ workerCount: 1 });
const [cipher, other] = [engine, createNodeEngine()].map((each) => each.alloc("xts(aes)"));
for (const each of [cipher, other]) each.setKey(key);
const memory = engine.allocShared(bytes);
while (!cipher.offloads(bytes)) {
  if (/no worker threads/.test(engine.describe().detail)) throw new Error(engine.describe().detail);
  await new Promise((resolve) => setTimeout(resolve, 5));
}
const request = new SkcipherRequest((error) => {
  const expected = new Uint8Array(bytes);
  other.encrypt(expected, expected, 4096, dun);
  console.log(error, Buffer.compare(expected, memory.bytes));
});
Object.assign(request, { memory, bytes, dataUnitBytes: 4096 });
cipher.encryptOff(request);
// Nobody closes the engine: the process ends by itself, after the request.
`;

const PACKAGE = fileURLToPath(new URL("../../..", import.meta.url));

/** tsup looks for entries in the current folder, and tests are run from anywhere. */
function absoluteEntries(): Record<string, string> {
  const entries = Object.entries((config as Options).entry as Record<string, string>);
  return Object.fromEntries(entries.map(([name, file]) => [name, join(PACKAGE, file)]));
}

let folder: string;

beforeAll(async () => {
  // Below node_modules, so that the built files find what they depend on.
  folder = await mkdtemp(join(PACKAGE, "node_modules/.built-"));
  await build({ ...(config as Options), entry: absoluteEntries(), config: false, dts: false, outDir: folder });
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await writeFile(join(folder, "program.js"), PROGRAM);
});

afterAll(() => rm(folder, { recursive: true }));

it.each([
  ["from a file", ["program.js"]],
  ["from the command line", ["--input-type=module", "--eval", PROGRAM]],
])("works as built, in a program %s", async (_where, parameters) => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, parameters, { cwd: folder });
  expect([stdout, stderr]).toEqual(["null 0\n", ""]);
});

it("computes on the event loop where the worker's file is missing, as in a bundle, and says why", async () => {
  await rm(join(folder, "node/worker-entry.js"));
  const failed = promisify(execFile)(process.execPath, [join(folder, "program.js")], { cwd: folder });
  await expect(failed).rejects.toThrow(/no worker threads: a thread could not start: .*worker-entry\.js/);
});
