/**
 * A UFS host controller with an inline crypto engine, and the driver that runs it on blk-core: together, a disk.
 *
 * @packageDocumentation
 */

export { BlockDeviceMedium } from "./block-device-medium.js";
export { CqhciDisk, type CqhciDiskOptions } from "./cqhci/cqhci-disk.js";
export { CqhciHost, type CqhciHostOptions } from "./cqhci/cqhci-host.js";
export { ExecutorClock } from "./executor-clock.js";
export { createUfsDisk, UfsDisk } from "./ufs-disk.js";
export type { UfsDiskOptions, UfsUnitOptions } from "./ufs-disk-options.js";
