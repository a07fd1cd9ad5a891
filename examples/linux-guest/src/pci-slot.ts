import type { Dma, IrqLine, Mmio } from "@inlinecrypt/ufshcd-emulator/controller";
import { GUEST_MEMORY_BYTES } from "./guest-machine.js";
import type { V86Cpu } from "./v86-internals.js";

/** A PCI identity: what makes the guest choose a driver and its variant. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
}

/** Device number 5 is free on v86's bus. */
const PCI_ID = 5 << 3;
/** v86 leaves memory registers where a device puts them; here is neither memory nor any other device. */
const BAR_ADDRESS = 0xf000_0000;
/** The least that v86 maps, and more than the registers take. */
const MAPPED_BYTES = 0x2_0000;
/** Mass storage, UFS, UFSHCI. */
const CLASS_CODE = [0x01, 0x09, 0x01];
const COMMAND_MEMORY_AND_BUS_MASTER = 0x06;
const INTERRUPT_PIN_A = 1;

/** A slot of the virtual machine's PCI bus, with what a device in it can reach. */
export class PciSlot {
  /** The machine's memory. */
  readonly dma: Dma;
  readonly irq: IrqLine;
  readonly #cpu: V86Cpu;

  constructor(cpu: V86Cpu) {
    this.#cpu = cpu;
    this.dma = new GuestDma(cpu);
    this.irq = {
      raise: () => cpu.devices.pci.raise_irq(PCI_ID),
      lower: () => cpu.devices.pci.lower_irq(PCI_ID),
    };
  }

  /** Puts a UFS host controller in. @param registerBytes - a power of two, at most 128 KiB */
  plug(identity: PciIdentity, registers: Mmio, registerBytes: number): void {
    this.#cpu.devices.pci.register_device({
      name: "ufshcd",
      pci_id: PCI_ID,
      pci_space: configurationSpace(identity),
      pci_bars: [{ size: registerBytes }],
    });
    const offset = (address: number): number => (address >>> 0) - BAR_ADDRESS;
    this.#cpu.io.mmap_register(
      BAR_ADDRESS,
      MAPPED_BYTES,
      (address) => byteOf(registers.read32(offset(address) & ~3), offset(address) & 3),
      // A host controller's registers are written 32 bits at a time.
      () => {},
      (address) => registers.read32(offset(address)) | 0,
      (address, value) => registers.write32(offset(address), value >>> 0),
    );
  }
}

class GuestDma implements Dma {
  readonly #cpu: V86Cpu;

  constructor(cpu: V86Cpu) {
    this.#cpu = cpu;
  }

  read(address: number, into: Uint8Array): boolean {
    const memory = this.view(address, into.length);
    if (memory !== undefined) into.set(memory);
    return memory !== undefined;
  }

  write(address: number, from: Uint8Array): boolean {
    if (!isMemory(address, from.length)) return false;
    this.#cpu.write_blob(from, address);
    return true;
  }

  view(address: number, bytes: number): Uint8Array | undefined {
    return isMemory(address, bytes) ? this.#cpu.read_blob(address, bytes) : undefined;
  }
}

function isMemory(address: number, bytes: number): boolean {
  return address >= 0 && address + bytes <= GUEST_MEMORY_BYTES;
}

function byteOf(word: number, index: number): number {
  return (word >>> (8 * index)) & 0xff;
}

function configurationSpace({ vendor, device }: PciIdentity): number[] {
  const space = new DataView(new ArrayBuffer(256));
  space.setUint16(0x00, vendor, true);
  space.setUint16(0x02, device, true);
  space.setUint16(0x04, COMMAND_MEMORY_AND_BUS_MASTER, true);
  CLASS_CODE.forEach((byte, index) => {
    space.setUint8(0x0b - index, byte);
  });
  space.setUint32(0x10, BAR_ADDRESS, true);
  space.setUint8(0x3d, INTERRUPT_PIN_A);
  return [...new Uint8Array(space.buffer)];
}
