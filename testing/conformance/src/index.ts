/**
 * One suite for every implementation of an interface: what all block devices have in common, asserted through their
 * public boundary.
 *
 * @packageDocumentation
 */
export { checkRandomIo, type RandomIoOptions } from "./block-device-model.js";
export { type BlockDeviceSuiteOptions, blockDeviceSuite } from "./block-device-suite.js";
export { type BlockDeviceUnderTest, expectNoLeaks, MIN_DEVICE_BYTES } from "./block-device-under-test.js";
