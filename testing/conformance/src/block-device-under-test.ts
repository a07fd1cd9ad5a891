import type { BlockDevice, BlockLayer } from "@inlinecrypt/blk-core";
import { expect } from "vitest";

/** Smallest device the suite can work with: large enough for a bio that every driver has to split. */
export const MIN_DEVICE_BYTES: number = 8 * 2 ** 20;

/** A device as its implementation's test hands it to the suite. */
export interface BlockDeviceUnderTest {
  layer: BlockLayer;
  /** At least `MIN_DEVICE_BYTES`; nothing else uses it. */
  bdev: BlockDevice;
  /** Closes the device and opens its medium again; absent when the medium does not outlive the device. */
  reopen?: () => Promise<BlockDeviceUnderTest>;
  /** Reads the medium past the device; absent when it is out of reach. */
  readMedium?: (byteOffset: number, into: Uint8Array) => Promise<void> | void;
  /** Closes everything. */
  teardown: () => Promise<void>;
}

/** Whatever was taken was given back: requests, bios, encryption contexts. */
export function expectNoLeaks(device: BlockDeviceUnderTest): void {
  expect(device.bdev.queue.inFlight, "bios or requests of the queue that have not ended").toBe(0);
  expect(device.layer.bioSet.inUse, "bios that were not put back").toBe(0);
  expect(device.layer.cryptCtxs.inUse, "encryption contexts that were not put back").toBe(0);
}
