/**
 * UFSHCI 3.0 on the wire: registers, descriptors, UPIUs, SCSI and query numbers. Shared by controller and driver, and
 * all they share besides `Mmio`, `Dma` and `IrqLine`.
 */
export * from "./bytes.js";
export * from "./crypto-layout.js";
export * from "./fmp-layout.js";
export * from "./host-interface.js";
export * from "./prdt.js";
export * from "./registers.js";
export * from "./scsi.js";
export * from "./uic.js";
export * from "./upiu.js";
export * from "./upiu-command.js";
export * from "./upiu-query.js";
export * from "./utmrd.js";
export * from "./utrd.js";
