import { createNodeEngine } from "@inlinecrypt/skcipher/node";
import {
  type FaultRule,
  MemoryMedium,
  type UfsEventListener,
  UfsHostController,
} from "@inlinecrypt/ufshcd-emulator/controller";
import { eventLoopClock } from "./event-loop-clock.js";
import { type GuestEnd, type GuestMachineOptions, runGuest } from "./guest-machine.js";
import { type PciIdentity, PciSlot } from "./pci-slot.js";

export interface UfsGuestOptions extends Omit<GuestMachineOptions, "plug"> {
  /** What the disk holds; changed in place. */
  readonly medium: Uint8Array;
  readonly pci: PciIdentity;
  /** Keyslots of the crypto engine; 0: the controller has none. */
  readonly keyslots: number;
  readonly faults: readonly FaultRule[];
  readonly onEvent: UfsEventListener;
}

/** Runs a guest whose disk is behind our UFS host controller. */
export async function runUfsGuest(options: UfsGuestOptions): Promise<GuestEnd> {
  let controller: UfsHostController | undefined;
  try {
    return await runGuest({
      ...options,
      plug: (cpu) => {
        const slot = new PciSlot(cpu);
        controller = newController(slot, options);
        controller.events.observe(options.onEvent);
        slot.plug(options.pci, controller, controller.mmioBytes);
      },
    });
  } finally {
    controller?.[Symbol.dispose]();
  }
}

function newController({ dma, irq }: PciSlot, options: UfsGuestOptions): UfsHostController {
  const { medium, keyslots, faults } = options;
  return new UfsHostController({
    dma,
    irq,
    clock: eventLoopClock,
    logicalUnits: [{ medium: new MemoryMedium(medium) }],
    ...(keyslots > 0 && { crypto: { engine: createNodeEngine(), keyslots } }),
    faults,
  });
}
