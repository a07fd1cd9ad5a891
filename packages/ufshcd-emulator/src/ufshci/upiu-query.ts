import { readU16Be, readU32Be, writeU16Be, writeU32Be } from "./bytes.js";
import { UPIU_BYTES } from "./upiu.js";

/** Query functions (byte 5 of the header). */
export const QueryFunction = { STANDARD_READ_REQUEST: 0x01, STANDARD_WRITE_REQUEST: 0x81 } as const;

/** Query opcodes. */
export const QueryOpcode = {
  NOP: 0x0,
  READ_DESC: 0x1,
  WRITE_DESC: 0x2,
  READ_ATTR: 0x3,
  WRITE_ATTR: 0x4,
  READ_FLAG: 0x5,
  SET_FLAG: 0x6,
  CLEAR_FLAG: 0x7,
  TOGGLE_FLAG: 0x8,
} as const;

/** Query response codes. */
export const QueryResult = {
  SUCCESS: 0x00,
  NOT_READABLE: 0xf6,
  NOT_WRITEABLE: 0xf7,
  ALREADY_WRITTEN: 0xf8,
  INVALID_LENGTH: 0xf9,
  INVALID_VALUE: 0xfa,
  INVALID_SELECTOR: 0xfb,
  INVALID_INDEX: 0xfc,
  INVALID_IDN: 0xfd,
  INVALID_OPCODE: 0xfe,
  GENERAL_FAILURE: 0xff,
} as const;
export type QueryResult = (typeof QueryResult)[keyof typeof QueryResult];

/** Descriptor identifiers. */
export const DescriptorIdn = {
  DEVICE: 0x0,
  CONFIGURATION: 0x1,
  UNIT: 0x2,
  INTERCONNECT: 0x4,
  STRING: 0x5,
  GEOMETRY: 0x7,
  POWER: 0x8,
  HEALTH: 0x9,
} as const;

/** Attribute identifiers. */
export const AttributeIdn = {
  BOOT_LU_EN: 0x00,
  POWER_MODE: 0x02,
  ACTIVE_ICC_LVL: 0x03,
  OOO_DATA_EN: 0x04,
  BKOPS_STATUS: 0x05,
  PURGE_STATUS: 0x06,
  MAX_DATA_IN: 0x07,
  MAX_DATA_OUT: 0x08,
  DYN_CAP_NEEDED: 0x09,
  REF_CLK_FREQ: 0x0a,
  CONF_DESC_LOCK: 0x0b,
  MAX_NUM_OF_RTT: 0x0c,
  EE_CONTROL: 0x0d,
  EE_STATUS: 0x0e,
  SECONDS_PASSED: 0x0f,
  CNTX_CONF: 0x10,
  CORR_PRG_BLK_NUM: 0x11,
  FFU_STATUS: 0x14,
  PSA_STATE: 0x15,
  PSA_DATA_SIZE: 0x16,
  REF_CLK_GATING_WAIT_TIME: 0x17,
} as const;

/** Flag identifiers. */
export const FlagIdn = {
  FDEVICEINIT: 0x01,
  PERMANENT_WPE: 0x02,
  PWR_ON_WPE: 0x03,
  BKOPS_EN: 0x04,
  LIFE_SPAN_MODE_ENABLE: 0x05,
  PURGE_ENABLE: 0x06,
  FPHYRESOURCEREMOVAL: 0x08,
  BUSY_RTC: 0x09,
  PERMANENTLY_DISABLE_FW_UPDATE: 0x0b,
} as const;

/** The longest data segment of a query. */
export const QUERY_DESC_MAX_BYTES = 255;

/**
 * The fields of QUERY REQUEST and QUERY RESPONSE UPIUs behind the header.
 *
 * @kernel include/uapi/scsi/scsi_bsg_ufs.h: struct utp_upiu_query
 */
export interface QueryFields {
  /** A {@link QueryOpcode}. */
  opcode: number;
  idn: number;
  index: number;
  selector: number;
  /** For descriptors: how many bytes are asked for, or were given. */
  bytes: number;
  /** For attributes and flags. */
  value: number;
}

/** Fields with nothing in them. */
export function newQueryFields(): QueryFields {
  return { opcode: 0, idn: 0, index: 0, selector: 0, bytes: 0, value: 0 };
}

/** Reads the query fields of the UPIU at `at`. */
export function parseQueryFields(from: Uint8Array, at: number, query: QueryFields): void {
  query.opcode = from[at + 12]!;
  query.idn = from[at + 13]!;
  query.index = from[at + 14]!;
  query.selector = from[at + 15]!;
  query.bytes = readU16Be(from, at + 18);
  query.value = readU32Be(from, at + 20);
}

/** Writes the query fields of the UPIU at `at`. */
export function buildQueryFields(into: Uint8Array, at: number, query: Readonly<QueryFields>): void {
  into.fill(0, at + 12, at + UPIU_BYTES);
  into[at + 12] = query.opcode;
  into[at + 13] = query.idn;
  into[at + 14] = query.index;
  into[at + 15] = query.selector;
  writeU16Be(into, at + 18, query.bytes);
  writeU32Be(into, at + 20, query.value);
}
