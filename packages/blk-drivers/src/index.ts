/**
 * Block drivers: `RamDisk` keeps its sectors in memory, `LoopDevice` in a file.
 *
 * @packageDocumentation
 */
export { RamDisk, type RamDiskOptions } from "./ram.js";
