/**
 * Register access of a host controller, 32 bits at a time, as a driver sees it.
 *
 * @kernel include/ufs/ufshcd.h: ufshcd_readl, ufshcd_writel
 */
export interface Mmio {
  /** Reads the register at byte `offset`; an unaligned offset, or one where no register is, reads as 0. */
  read32(offset: number): number;
  /** Writes the register at byte `offset`; a write to no register is ignored. Only the low 32 bits of `value` count. */
  write32(offset: number, value: number): void;
}

/** The host's memory as a device reaches it. Addresses are bus addresses, whole numbers from 0. */
export interface Dma {
  /** Copies memory at `address` into all of `into`. False, and `into` as it was, when the range is not all memory. */
  read(address: number, into: Uint8Array): boolean;
  /** Copies all of `from` to memory at `address`. False, and memory as it was, when the range is not all memory. */
  write(address: number, from: Uint8Array): boolean;
  /**
   * The memory itself, to read from, where it lies in one piece: saves a copy of the data of an encrypted write. Undefined
   * where it does not, or where the range is not all memory. A view is used only until the call that asked for it returns,
   * and never written to: a virtual machine has to know what changes.
   */
  view?(address: number, bytes: number): Uint8Array | undefined;
}

/** A level-triggered interrupt line. */
export interface IrqLine {
  /** An interrupt is pending from now on. Called once until {@link IrqLine.lower}. */
  raise(): void;
  /** No interrupt is pending any more. */
  lower(): void;
}
