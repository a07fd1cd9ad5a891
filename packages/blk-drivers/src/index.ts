/**
 * Block drivers: `RamDisk` keeps its sectors in memory, `LoopDevice` in a file.
 *
 * @packageDocumentation
 */

export { LoopDevice, type LoopDeviceOptions } from "./loop.js";
export { RamDisk, type RamDiskOptions } from "./ram.js";
