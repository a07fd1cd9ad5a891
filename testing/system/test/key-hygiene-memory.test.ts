import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type CryptoModeName, cryptoModeByName } from "@inlinecrypt/blk-crypto-profile";
import { hwKdf } from "@inlinecrypt/reference-crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { needlesOf, needlesOfSecret } from "./key-hygiene/needles.js";
import type { Results, ScenarioName, TrialPlan } from "./key-hygiene/scenarios.js";
import { run } from "./support/programs.js";
import { Scratch } from "./support/serve.js";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const scenarios = fileURLToPath(new URL("key-hygiene/scenarios.ts", import.meta.url));
/** A large young generation: nothing is collected, and memory used again, but where a scenario says so. */
const nodeArgs = ["--expose-gc", "--min-semi-space-size=16", "--conditions=@inlinecrypt/source", "--import", "tsx"];

const MODES: readonly CryptoModeName[] = ["AES-256-XTS", "AES-128-CBC-ESSIV", "Adiantum", "SM4-XTS"];
/** What SM4 keeps is derived from the key, and nothing else keeps it in that scenario. */
const WITHOUT_KEY_IN_USE = "cipherAlone SM4-XTS";

interface Trial {
  readonly title: string;
  readonly scenario: ScenarioName;
  readonly mode: CryptoModeName;
  readonly hexFile?: boolean;
  readonly equalHalves?: boolean;
}

const TRIALS: readonly Trial[] = [
  ...MODES.flatMap((mode): Trial[] => [
    { title: `start, I/O, eviction, wiping, ${mode}`, scenario: "keyLife", mode },
    { title: `a cipher set and cleared, ${mode}`, scenario: "cipherAlone", mode },
  ]),
  { title: "a stack with a key file", scenario: "wholeStack", mode: "AES-256-XTS" },
  { title: "a stack with a key file in hex", scenario: "wholeStack", mode: "AES-256-XTS", hexFile: true },
  { title: "a key that garbage collection moves", scenario: "keyAlone", mode: "AES-256-XTS" },
  { title: "a wrapped key", scenario: "wrappedKey", mode: "AES-256-XTS" },
  { title: "a key file that is refused", scenario: "refusedKey", mode: "AES-256-XTS", equalHalves: true },
];

function newKey({ scenario, mode, equalHalves }: Trial): Buffer {
  const key = randomBytes(scenario === "wrappedKey" ? 32 : cryptoModeByName(mode).keyBytes);
  if (equalHalves) key.copy(key, key.length / 2, 0, key.length / 2);
  return key;
}

/** Gives each trial a key of its own and runs them all in one process with this engine. */
async function resultsOf(engine: string): Promise<Results> {
  using scratch = new Scratch();
  const plans = TRIALS.map((trial, index): TrialPlan => {
    const { scenario, mode, hexFile } = trial;
    const key = newKey(trial);
    const keyFile = scratch.path(`key${index}`);
    writeFileSync(keyFile, hexFile ? key.toString("hex") : key, { mode: 0o600 });
    const derived = scenario === "wrappedKey" ? needlesOfSecret("inline key", hwKdf.inlineEncryptionKey(key)) : [];
    return { scenario, mode, keyFile, needles: [...needlesOf(key, mode), ...derived] };
  });
  writeFileSync(scratch.path("plans"), JSON.stringify(plans));
  const args = [...nodeArgs, scenarios, engine, scratch.path("plans")];
  return JSON.parse(await run(process.execPath, args, { cwd: root, timeoutMs: 280_000 }));
}

describe.runIf(process.platform === "linux")("a key in the memory of its process", () => {
  describe.each(["portable", "node", "node-worker"])("engine %s", (engine) => {
    let results: Results;
    beforeAll(async () => {
      results = await resultsOf(engine);
    }, 300_000);

    it.each(TRIALS.map((trial, index) => ({ ...trial, index })))(
      "$title: it is found while it is in use, and nowhere afterwards",
      ({ scenario, mode, index }) => {
        const { "in use": inUse, ...afterwards } = results.trials[index]!;
        expect(Object.values(afterwards)).toEqual([[]]);
        if (scenario === "refusedKey" || `${scenario} ${mode}` === WITHOUT_KEY_IN_USE) return;
        expect(inUse).not.toEqual([]);
      },
    );

    it("all keys together: none is anywhere when the garbage is collected", () => {
      expect(results.atTheEnd).toEqual([]);
    });

    it.runIf(engine === "node")("all of a key is found in what OpenSSL keeps of it, when nothing else is left", () => {
      const index = TRIALS.findIndex((trial) => trial.scenario === "cipherAlone" && trial.mode === "AES-256-XTS");
      const needles = results.trials[index]!["in use"]!.map(({ needle }) => needle);
      for (const byte of [0, 16, 32, 48]) expect(needles).toContainEqual(expect.stringMatching(`key, byte ${byte}$`));
    });
  });
});
