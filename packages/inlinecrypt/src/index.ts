/**
 * Encrypted disks over NBD: stack files, assembling a stack, and the `inlinecrypt` command.
 *
 * @packageDocumentation
 */
export type { CommandIo, SignalSource } from "./command/command-io.js";
export { RequestError, type StopSignal, UsageError } from "./failure.js";
export { main } from "./main.js";
export { buildStack, type Stack, type StackExport, type StackOptions, type StackVolume } from "./stack/build-stack.js";
export type {
  DeviceDefinition,
  ExportDefinition,
  KeyDefinition,
  LoopDefinition,
  RamDefinition,
  StackDefinition,
  VolumeDefinition,
} from "./stack/stack-definition.js";
export { loadStackFile } from "./stack/stack-file.js";
export { StackFileError, type StackFileProblem } from "./stack/stack-file-error.js";
