/**
 * A UFS host controller with an inline crypto engine, and the driver that runs it on blk-core: together, a disk.
 *
 * @packageDocumentation
 */
export { ExecutorClock } from "./executor-clock.js";
export { createUfsDisk, UfsDisk } from "./ufs-disk.js";
export type { UfsDiskOptions, UfsUnitOptions } from "./ufs-disk-options.js";
