import { afterEach, beforeEach, expect } from "vitest";
import type { BlockDeviceSuiteOptions } from "./block-device-suite.js";
import { type BlockDeviceUnderTest, expectNoLeaks, MIN_DEVICE_BYTES } from "./block-device-under-test.js";

/** The device of the running test. */
export interface Fixture {
  device: BlockDeviceUnderTest;
}

/** Gives each test of a `describe` block a new device, and checks after it that nothing was leaked. */
export function useDevice(options: BlockDeviceSuiteOptions, readOnly = false): Fixture {
  const fixture = {} as Fixture;
  beforeEach(async () => {
    fixture.device = await options.setup({ readOnly });
    expect(fixture.device.bdev.bytes).toBeGreaterThanOrEqual(MIN_DEVICE_BYTES);
  });
  afterEach(async () => {
    expectNoLeaks(fixture.device);
    await fixture.device.teardown();
    expectNoLeaks(fixture.device);
  });
  return fixture;
}
