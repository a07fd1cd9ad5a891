import type { UfsEvent } from "@inlinecrypt/ufshcd-emulator/controller";

const OPCODE_NAMES: Readonly<Record<number, string>> = {
  40: "READ(10)",
  42: "WRITE(10)",
  136: "READ(16)",
  138: "WRITE(16)",
};

/** A line for the events that have to do with encryption, and with what goes wrong; undefined for the others. */
export function describeEvent(event: UfsEvent): string | undefined {
  switch (event.type) {
    case "keyslotProgrammed":
      return `keyslot ${event.slotIndex} programmed: capability ${event.capIndex}, data units of ${event.dataUnitBytes}`;
    case "keyslotCleared":
      return `keyslot ${event.slotIndex} cleared`;
    case "commandStarted":
      if (event.slotIndex < 0) return undefined;
      return `${commandName(event.opcode)} of ${event.bytes} bytes, keyslot ${event.slotIndex}, DUN ${event.dun}`;
    case "commandEnded":
      return event.ocs === 0 ? undefined : `${commandName(event.opcode)} failed with OCS ${hex(event.ocs)}`;
    case "taskManagement":
      return `task management ${hex(event.func)} of LUN ${event.lun}, tag ${event.tag}: response ${hex(event.response)}`;
    case "hostEnabled":
      return `host controller enabled, crypto ${event.cryptoEnabled ? "on" : "off"}`;
    case "hostReset":
      return "host controller reset";
    case "deviceReset":
      return "device reset";
    case "fatalError":
      return `fatal error ${hex(event.is)}`;
    default:
      return undefined;
  }
}

function commandName(opcode: number): string {
  return OPCODE_NAMES[opcode] ?? `command ${hex(opcode)}`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
