/**
 * Block drivers: `RamDisk` keeps its sectors in memory, `LoopDevice` in a file or on another device, `NullDisk` nowhere.
 *
 * @packageDocumentation
 */

export { LoopDevice, type LoopDeviceOptions, type LoopOverDevice, type LoopOverFile } from "./loop.js";
export { NullDisk, type NullDiskOptions } from "./null.js";
export { RamDisk, type RamDiskOptions } from "./ram.js";
