import { describe, it } from "vitest";
import { checkRandomIo } from "./block-device-model.js";
import type { BlockDeviceSuiteOptions } from "./block-device-suite.js";
import { useDevice } from "./fixture.js";

const TIMEOUT_MS = 120_000;

export function describeRandomIo(options: BlockDeviceSuiteOptions): void {
  const { randomRuns = 200, seed = 1, discardZeroes } = options;
  describe("random I/O", () => {
    const fixture = useDevice(options);

    it(`equals an array after each of ${randomRuns} random sequences (seed ${seed})`, {
      timeout: TIMEOUT_MS,
    }, async () => {
      await checkRandomIo(fixture.device, { runs: randomRuns, seed, discardZeroes });
    });
  });
}
