import type { FaultRule } from "@inlinecrypt/ufshcd-emulator/controller";

const KINDS = [
  "programFails",
  "engineFault",
  "engineFatal",
  "controllerFatal",
  "deviceFatal",
  "lostCompletion",
  "lostInterrupt",
] as const;

/** SCSI commands by the names that people know them by. */
const OPCODES: Readonly<Record<string, number>> = { read: 0x28, write: 0x2a, flush: 0x35, unmap: 0x42 };

const FORM = "KIND[,on=read|write|flush|unmap][,slot=N][,skip=N][,times=N]";

/** What `--fault` accepts, for its help. */
export const FAULT_HELP: string = `${FORM}; KIND is ${KINDS.join(", ")}`;

/**
 * Parses a fault such as `engineFault,on=write,skip=20`: the 21st encrypted write fails.
 *
 * @throws Error that says what is wrong and what was expected
 */
export function parseFault(spec: string): FaultRule {
  const [kind, ...settings] = spec.split(",");
  const known = KINDS.find((each) => each === kind);
  if (known === undefined) throw new Error(`unknown fault "${kind}", expected ${FAULT_HELP}`);
  return Object.assign({ kind: known }, ...settings.map(parseSetting));
}

function parseSetting(setting: string): Partial<FaultRule> {
  const [name = "", value = ""] = setting.split("=");
  if (name === "on") return { opcode: opcodeOf(value) };
  const count = Number(value);
  if (value === "" || !Number.isInteger(count) || count < 0)
    throw new Error(`"${setting}" in a fault, expected ${FORM}`);
  if (name === "slot") return { slotIndex: count };
  if (name === "skip") return { skip: count };
  if (name === "times") return { times: count };
  throw new Error(`"${setting}" in a fault, expected ${FORM}`);
}

function opcodeOf(name: string): number {
  const opcode = OPCODES[name];
  if (opcode === undefined)
    throw new Error(`"on=${name}" in a fault, expected one of ${Object.keys(OPCODES).join(", ")}`);
  return opcode;
}
