import { execFileSync } from "node:child_process";
import type { Skcipher, SkcipherEngine } from "@inlinecrypt/skcipher";
import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import { describe, expect, it } from "vitest";
import { type SimulationResult, simulate } from "../src/simulate.js";

const FIXED_SEEDS = 24;
const IOS = 1500;

/** A new seed with every commit: over time this sees many worlds, and each is one a developer can name. */
function commitSeed(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "no git here";
  }
}

/** An engine whose ciphers do something else when they encrypt. */
function brokenEngine(encrypt: (cipher: Skcipher, ...args: Parameters<Skcipher["encrypt"]>) => void): SkcipherEngine {
  const node = createNodeEngine();
  return {
    name: "broken",
    ciphers: node.ciphers,
    supports: (name) => node.supports(name),
    describe: () => node.describe(),
    alloc(name) {
      const cipher = node.alloc(name);
      return {
        name: cipher.name,
        keyBytes: cipher.keyBytes,
        ivBytes: cipher.ivBytes,
        setKey: (key) => cipher.setKey(key),
        encrypt: (...args) => encrypt(cipher, ...args),
        decrypt: (...args) => cipher.decrypt(...args),
        clear: () => cipher.clear(),
      };
    },
  };
}

describe("whole stacks under random load, faults, power cuts and key changes", () => {
  it.each(Array.from({ length: FIXED_SEEDS }, (_, index) => index + 1))("seed %i", async (seed) => {
    const result = await simulate({ seed, ios: IOS, engine: createNodeEngine() });
    expect(result.ios).toBeGreaterThanOrEqual(IOS);
  });

  it(`the commit's seed: ${commitSeed()}`, async () => {
    await simulate({ seed: commitSeed(), ios: IOS, engine: createNodeEngine() });
  });

  it("a seed replays the same run", async () => {
    const run = (): Promise<unknown> => simulate({ seed: 7, ios: IOS, engine: createNodeEngine() });
    expect(await run()).toEqual(await run());
  });
});

describe("stacks of mapped devices under random load", () => {
  it.each<[number, ...(keyof SimulationResult)[]]>([
    [5, "tableSwaps", "suspends", "powerCuts"],
    [8, "pathFailures", "moves"],
    [9, "tableSwaps", "suspends", "moves"],
    [20, "pathFailures", "suspends"],
    [25, "pathFailures", "powerCuts"],
    [34, "pathFailures", "allocationsFailed"],
    [41, "tablesRefused", "keyChanges"],
    [47, "tableSwaps", "powerCuts", "moves"],
    [49, "pathFailures", "moves", "failed"],
  ])("seed %i", async (seed, ...expected) => {
    const result = await simulate({ seed, ios: IOS, engine: createNodeEngine(), kind: "dm" });
    for (const what of expected) expect(result[what], what).toBeGreaterThan(0);
  });
});

describe("the simulation notices", () => {
  it("a cipher that encrypts nothing", async () => {
    const engine = brokenEngine((_cipher, src, dst) => dst.set(src));
    await expect(simulate({ seed: 1, ios: IOS, engine })).rejects.toThrow(/holds|plaintext on/);
  });

  it("a cipher that ignores the data unit number", async () => {
    const engine = brokenEngine((cipher, src, dst, dataUnitBytes) =>
      cipher.encrypt(src, dst, dataUnitBytes, new Uint32Array(8)),
    );
    await expect(simulate({ seed: 1, ios: IOS, engine })).rejects.toThrow(/holds/);
  });
});
