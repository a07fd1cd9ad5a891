import type { V86 } from "v86";

/** A function on the PCI bus of the virtual machine. */
export interface PciFunction {
  readonly name: string;
  /** Device number times eight. */
  readonly pci_id: number;
  /** Its configuration space. */
  readonly pci_space: readonly number[];
  readonly pci_bars: readonly { readonly size: number }[];
}

/** As much of v86's processor as a PCI device needs; v86 does not declare it. */
export interface V86Cpu {
  readonly devices: {
    readonly pci: {
      register_device(device: PciFunction): void;
      /** Interrupts are levels: raised until lowered. */
      raise_irq(pciId: number): void;
      lower_irq(pciId: number): void;
    };
  };
  readonly io: {
    /** Both a multiple of 128 KiB; the addresses given to the functions come as signed numbers. */
    mmap_register(
      address: number,
      bytes: number,
      read8: (address: number) => number,
      write8: (address: number, value: number) => void,
      read32: (address: number) => number,
      write32: (address: number, value: number) => void,
    ): void;
  };
  /** A view of the machine's memory. */
  read_blob(address: number, bytes: number): Uint8Array;
  write_blob(bytes: Uint8Array, address: number): void;
}

/** The processor of a machine that has been loaded. */
export function cpuOf(emulator: V86): V86Cpu {
  return (emulator as unknown as { readonly v86: { readonly cpu: V86Cpu } }).v86.cpu;
}
