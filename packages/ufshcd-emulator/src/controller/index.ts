/**
 * A UFS host controller with a UFS device and an inline crypto engine, as a driver sees it: registers, DMA, an interrupt
 * line.
 *
 * @packageDocumentation
 */
export {
  type CryptoCapEntry,
  type Dma,
  type IrqLine,
  LOGICAL_BLOCK_BYTES,
  type Mmio,
  UfsCryptoAlg,
  UfsCryptoKeySize,
} from "../ufshci/index.js";
export type { ControllerClock } from "./clock.js";
export type { ControllerCryptoOptions, UfsHostControllerOptions } from "./controller-options.js";
export type { DeviceIdentity } from "./device/device-identity.js";
export type { LogicalUnitOptions } from "./device/scsi-unit.js";
export type { UfsEvent, UfsEventListener, UfsEvents } from "./events.js";
export type { FaultKind, FaultPlan, FaultRule } from "./fault-plan.js";
export { type Medium, type MediumDone, MemoryMedium } from "./medium.js";
export { UfsHostController } from "./ufs-host-controller.js";
