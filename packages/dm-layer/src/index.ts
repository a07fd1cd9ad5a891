/**
 * Device-mapper: devices that map their sectors to other devices, by tables in dmsetup syntax, with inline encryption
 * passed through.
 *
 * @packageDocumentation
 */
export { type CreateOptions, DeviceMapper, type DeviceMapperOptions } from "./device-mapper.js";
export type { DmArgs } from "./dm-args.js";
export type { DmTargetIo } from "./dm-io.js";
export {
  type DmDeviceVisitor,
  DmFeature,
  type DmRqIo,
  type DmTarget,
  type DmTargetType,
  EndIoResult,
  MapResult,
} from "./dm-target.js";
export type { DmDev, DmTargetSpec } from "./dm-target-spec.js";
export type { MappedDevice, SuspendOptions } from "./mapped-device.js";
export type { MappedDeviceInfo } from "./mapped-device-info.js";
export { allTargets } from "./targets/all-targets.js";
export { cryptTarget } from "./targets/crypt.js";
export { delayTarget } from "./targets/delay.js";
export { errorTarget } from "./targets/error.js";
export { flakeyTarget } from "./targets/flakey.js";
export { defaultKeyTarget, inlinecryptTarget } from "./targets/inlinecrypt.js";
export { linearTarget } from "./targets/linear.js";
export { multipathTarget } from "./targets/multipath.js";
export { stripedTarget } from "./targets/striped.js";
export { zeroTarget } from "./targets/zero.js";
