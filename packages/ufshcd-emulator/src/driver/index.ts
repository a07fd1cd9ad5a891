/**
 * The driver half: ufshcd on blk-core. It knows the controller only through `Mmio`, `Dma` and `IrqLine`.
 *
 * @packageDocumentation
 */
export type { Dma, IrqLine, Mmio } from "../ufshci/index.js";
export { exynosVariant } from "./exynos-variant.js";
export { type CoherentBuffer, HostMemory, type HostMemoryOptions } from "./host-memory.js";
export { InterruptLine } from "./interrupt-line.js";
export { type HbaState, UfsHba, type UfsHbaOptions } from "./ufs-hba.js";
export type { UfsLun } from "./ufs-lun.js";
export type { PmState, UfsPm } from "./ufs-pm.js";
export { type KeysInPrdt, type UfsVariant, ufshciVariant } from "./ufs-variant.js";
export { type HbaCrypto, UfsCryptoEngine } from "./ufshcd-crypto.js";
export { type WrappedKeyFirmware, type WrappedKeyVariantOptions, wrappedKeyVariant } from "./wrapped-key-variant.js";
