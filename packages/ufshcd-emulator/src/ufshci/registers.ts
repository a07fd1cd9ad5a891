/**
 * What a field does when software reads and writes it.
 *
 * - `RO`: writes are ignored.
 * - `RW`: reads give what was written.
 * - `W1C`: hardware sets bits, writing 1 clears them.
 * - `W1S`: writing 1 sets bits, hardware clears them.
 * - `WO`: reads as 0; a write acts.
 */
export type RegisterAccess = "RO" | "RW" | "W1C" | "W1S" | "WO";

/** Some bits of a register; bits in no field are reserved: they read as 0 and writes to them are ignored. */
export interface RegisterField {
  /** As the specification spells it. */
  readonly name: string;
  readonly lsb: number;
  readonly bits: number;
  readonly access: RegisterAccess;
}

/** A 32-bit register. */
export interface RegisterSpec {
  /** As the specification spells it. */
  readonly name: string;
  /** Byte offset from the base. */
  readonly offset: number;
  /** Value after a host reset; for the read-only ones that a controller configures, see `resetValues`. */
  readonly reset: number;
  readonly fields: readonly RegisterField[];
}

const field =
  (access: RegisterAccess) =>
  (name: string, lsb: number, bits = 1): RegisterField => ({ name, lsb, bits, access });
const ro = field("RO");
const rw = field("RW");
const w1c = field("W1C");
const w1s = field("W1S");
const wo = field("WO");

/** Offsets of the registers of UFSHCI 3.0. */
export const Reg = {
  CAP: 0x00,
  VER: 0x08,
  HCPID: 0x10,
  HCMID: 0x14,
  AHIT: 0x18,
  IS: 0x20,
  IE: 0x24,
  HCS: 0x30,
  HCE: 0x34,
  UECPA: 0x38,
  UECDL: 0x3c,
  UECN: 0x40,
  UECT: 0x44,
  UECDME: 0x48,
  UTRIACR: 0x4c,
  UTRLBA: 0x50,
  UTRLBAU: 0x54,
  UTRLDBR: 0x58,
  UTRLCLR: 0x5c,
  UTRLRSR: 0x60,
  UTRLCNR: 0x64,
  UTMRLBA: 0x70,
  UTMRLBAU: 0x74,
  UTMRLDBR: 0x78,
  UTMRLCLR: 0x7c,
  UTMRLRSR: 0x80,
  UICCMD: 0x90,
  UCMDARG1: 0x94,
  UCMDARG2: 0x98,
  UCMDARG3: 0x9c,
  CCAP: 0x100,
  /** The first of CCAP.CC registers. */
  CRYPTOCAP: 0x104,
} as const;

/** The interrupts, for IS and IE alike. */
const INTERRUPTS = [
  ["UTRCS", 0],
  ["UDEPRI", 1],
  ["UE", 2],
  ["UTMS", 3],
  ["UPMS", 4],
  ["UHXS", 5],
  ["UHES", 6],
  ["ULLS", 7],
  ["ULSS", 8],
  ["UTMRCS", 9],
  ["UCCS", 10],
  ["DFES", 11],
  ["UTPES", 12],
  ["HCFES", 16],
  ["SBFES", 17],
  ["CEFES", 18],
] as const;

/** Bits of IS and IE. */
export const Is = {
  /** A transfer request completed. */
  UTRCS: 0x1,
  UDEPRI: 0x2,
  /** UIC error. */
  UE: 0x4,
  UTMS: 0x8,
  /** A power mode change ended; HCS.UPMCRS says how. */
  UPMS: 0x10,
  /** Hibernation was left, or entered. */
  UHXS: 0x20,
  UHES: 0x40,
  /** The link was lost. */
  ULLS: 0x80,
  ULSS: 0x100,
  /** A task-management request completed. */
  UTMRCS: 0x200,
  /** A UIC command completed. */
  UCCS: 0x400,
  /** The device failed fatally. */
  DFES: 0x800,
  UTPES: 0x1000,
  /** The host controller failed fatally. */
  HCFES: 0x10000,
  /** The system bus failed: a list lies outside memory. */
  SBFES: 0x20000,
  /** The crypto engine failed fatally. */
  CEFES: 0x40000,
} as const;

/** Bits of HCS. */
export const Hcs = {
  /** Device present. */
  DP: 0x1,
  UTRLRDY: 0x2,
  UTMRLRDY: 0x4,
  UCRDY: 0x8,
  HEI: 0x10,
  DEI: 0x20,
  UPMCRS_LSB: 8,
  UPMCRS_MASK: 0x700,
} as const;

/** Bits of HCE: controller enable, crypto general enable. */
export const Hce = { HCE: 0x1, CGE: 0x2 } as const;

/** Fields of CAP. */
export const Cap = {
  NUTRS_MASK: 0x1f,
  NUTMRS_LSB: 16,
  NUTMRS_MASK: 0x7_0000,
  /** 64-bit addressing. */
  AS64: 0x1000000,
  /** Crypto support. */
  CS: 0x10000000,
} as const;

/** Fields of UTRIACR. */
export const Utriacr = {
  /** Time-out, in units of 40 microseconds. */
  IATOVAL_MASK: 0xff,
  IACTH_LSB: 8,
  IACTH_MASK: 0x1f00,
  /** Counter and timer reset. */
  CTR: 0x10000,
  /** Whether anything was counted. */
  IASB: 0x100000,
  /** This write sets IATOVAL and IACTH. */
  IAPWEN: 0x1000000,
  IAEN: 0x8000_0000,
} as const;

/** HCS.UPMCRS: how a power mode change, or hibernation, ended. */
export const PowerModeStatus = { OK: 0, LOCAL: 1, REMOTE: 2, BUSY: 3, ERROR_CAP: 4, FATAL_ERROR: 5 } as const;

const reg = (name: keyof typeof Reg, fields: readonly RegisterField[], reset = 0): RegisterSpec => ({
  name,
  offset: Reg[name],
  reset,
  fields,
});

/**
 * Every register below 0x100. Values that a controller configures (CAP, VER, HCPID, HCMID) are 0 here.
 *
 * @kernel include/ufs/ufshci.h: UFSHCI Registers
 */
export const UFSHCI_REGISTERS: readonly RegisterSpec[] = [
  reg("CAP", [
    ro("NUTRS", 0, 5),
    ro("NORTT", 8, 8),
    ro("NUTMRS", 16, 3),
    ro("EHSLUTRDS", 22),
    ro("AUTOH8", 23),
    ro("64AS", 24),
    ro("OODDS", 25),
    ro("UICDMETMS", 26),
    ro("CS", 28),
    ro("LSDBS", 29),
    ro("MCQS", 30),
  ]),
  reg("VER", [ro("VS", 0, 4), ro("MNR", 4, 4), ro("MJR", 8, 8)]),
  reg("HCPID", [ro("PID", 0, 32)]),
  reg("HCMID", [ro("MIC", 0, 16), ro("BI", 16, 16)]),
  reg("AHIT", [rw("AH8ITV", 0, 10), rw("TS", 10, 3)]),
  reg(
    "IS",
    INTERRUPTS.map(([name, lsb]) => w1c(name, lsb)),
  ),
  reg(
    "IE",
    INTERRUPTS.map(([name, lsb]) => rw(name.replace(/S$/, "E"), lsb)),
  ),
  reg("HCS", [
    ro("DP", 0),
    ro("UTRLRDY", 1),
    ro("UTMRLRDY", 2),
    ro("UCRDY", 3),
    ro("HEI", 4),
    ro("DEI", 5),
    ro("UPMCRS", 8, 3),
    ro("UTPEC", 12, 4),
    ro("TTAGUTPE", 16, 8),
    ro("TLUNUTPE", 24, 8),
  ]),
  reg("HCE", [rw("HCE", 0), rw("CGE", 1)]),
  reg("UECPA", [ro("EC", 0, 5), ro("ERR", 31)]),
  reg("UECDL", [ro("EC", 0, 16), ro("ERR", 31)]),
  reg("UECN", [ro("EC", 0, 3), ro("ERR", 31)]),
  reg("UECT", [ro("EC", 0, 7), ro("ERR", 31)]),
  reg("UECDME", [ro("EC", 0, 4), ro("ERR", 31)]),
  reg("UTRIACR", [
    rw("IATOVAL", 0, 8),
    rw("IACTH", 8, 5),
    wo("CTR", 16),
    ro("IASB", 20),
    wo("IAPWEN", 24),
    rw("IAEN", 31),
  ]),
  reg("UTRLBA", [rw("UTRLBA", 10, 22)]),
  reg("UTRLBAU", [rw("UTRLBAU", 0, 32)]),
  reg("UTRLDBR", [w1s("UTRLDBR", 0, 32)]),
  reg("UTRLCLR", [wo("UTRLCLR", 0, 32)]),
  reg("UTRLRSR", [rw("UTRLRSR", 0)]),
  reg("UTRLCNR", [w1c("UTRLCNR", 0, 32)]),
  reg("UTMRLBA", [rw("UTMRLBA", 10, 22)]),
  reg("UTMRLBAU", [rw("UTMRLBAU", 0, 32)]),
  reg("UTMRLDBR", [w1s("UTMRLDBR", 0, 8)]),
  reg("UTMRLCLR", [wo("UTMRLCLR", 0, 8)]),
  reg("UTMRLRSR", [rw("UTMRLRSR", 0)]),
  reg("UICCMD", [rw("CMDOP", 0, 8)]),
  reg("UCMDARG1", [rw("ARG1", 0, 32)]),
  reg("UCMDARG2", [rw("ARG2", 0, 32)]),
  reg("UCMDARG3", [rw("ARG3", 0, 32)]),
];

const CCAP_FIELDS = [ro("CC", 0, 8), ro("CFGC", 8, 8), ro("CFGPTR", 24, 8)];
const CRYPTOCAP_FIELDS = [ro("ALGID", 0, 8), ro("SDUSB", 8, 8), ro("KS", 16, 8)];

/** CCAP and the CRYPTOCAP registers of a controller with `capCount` of them. */
export function cryptoRegisters(capCount: number): RegisterSpec[] {
  const caps = Array.from({ length: capCount }, (_, index) => ({
    name: `CRYPTOCAP${index}`,
    offset: Reg.CRYPTOCAP + 4 * index,
    reset: 0,
    fields: CRYPTOCAP_FIELDS,
  }));
  return [{ name: "CCAP", offset: Reg.CCAP, reset: 0, fields: CCAP_FIELDS }, ...caps];
}

/** The bits of `spec` that have one of `accesses`. */
export function accessMask(spec: RegisterSpec, ...accesses: readonly RegisterAccess[]): number {
  let mask = 0;
  for (const { access, bits, lsb } of spec.fields) {
    if (accesses.includes(access)) mask |= bits === 32 ? 0xffff_ffff : ((1 << bits) - 1) << lsb;
  }
  return mask >>> 0;
}
