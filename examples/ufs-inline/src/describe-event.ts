import type { UfsEvent } from "@inlinecrypt/ufshcd-emulator/controller";

const READ_10 = 0x28;
const WRITE_10 = 0x2a;

/** A line for what has to do with encryption; undefined for the rest. */
export function describeEvent(event: UfsEvent): string | undefined {
  switch (event.type) {
    case "keyslotProgrammed":
      return `keyslot ${event.slotIndex} programmed`;
    case "keyslotCleared":
      return `keyslot ${event.slotIndex} cleared`;
    case "commandStarted": {
      if (event.slotIndex < 0 || (event.opcode !== READ_10 && event.opcode !== WRITE_10)) return undefined;
      const what = event.opcode === READ_10 ? "READ" : "WRITE";
      return `${what} of ${event.bytes} bytes, keyslot ${event.slotIndex}, first DUN ${event.dun}`;
    }
    default:
      return undefined;
  }
}
