import { describe } from "vitest";
import { describeBios } from "./block-device-bios.js";
import { describeErrors } from "./block-device-errors.js";
import { describeOperations } from "./block-device-operations.js";
import { describeRandomIo } from "./block-device-random.js";
import type { BlockDeviceUnderTest } from "./block-device-under-test.js";

/** How a device is made, and what it promises beyond what all devices do. */
export interface BlockDeviceSuiteOptions {
  /** Makes a new device for one test. */
  setup: (wanted: { readOnly: boolean }) => Promise<BlockDeviceUnderTest>;
  /** Whether discarded ranges read as zeroes. */
  discardZeroes: boolean;
  /**
   * Random sequences to try.
   *
   * @default 200
   */
  randomRuns?: number;
  /**
   * @default 1
   */
  seed?: number;
}

/** Registers the tests that every block device has to pass; call it in a test file. */
export function blockDeviceSuite(name: string, options: BlockDeviceSuiteOptions): void {
  describe(`${name} as a block device`, () => {
    describeOperations(options);
    describeBios(options);
    describeErrors(options);
    describeRandomIo(options);
  });
}
