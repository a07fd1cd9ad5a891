/**
 * Block drivers: `RamDisk` keeps its sectors in memory, `LoopDevice` in a file, `NullDisk` nowhere.
 *
 * @packageDocumentation
 */

export { LoopDevice, type LoopDeviceOptions } from "./loop.js";
export { NullDisk, type NullDiskOptions } from "./null.js";
export { RamDisk, type RamDiskOptions } from "./ram.js";
