import { readU16Le, readU32Le, readU64Le, writeU16Le, writeU32Le, writeU64Le } from "./bytes.js";

/** Bytes of one transfer request descriptor. */
export const UTRD_BYTES = 32;

/** Most entries of a transfer request list (CAP.NUTRS + 1). */
export const MAX_TRANSFER_REQUESTS = 32;

/** Command type of a UTRD since UFSHCI 2.0, for SCSI commands and device management alike. */
export const UTP_CMD_TYPE_UFS_STORAGE = 1;

/** Data direction of a UTRD. */
export const DataDirection = { NONE: 0, HOST_TO_DEVICE: 1, DEVICE_TO_HOST: 2 } as const;

/**
 * Overall command status, which the controller stores in a UTRD or UTMRD.
 *
 * @kernel include/ufs/ufshci.h: enum utp_ocs
 */
export const Ocs = {
  SUCCESS: 0x0,
  INVALID_CMD_TABLE_ATTR: 0x1,
  INVALID_PRDT_ATTR: 0x2,
  MISMATCH_DATA_BUF_SIZE: 0x3,
  MISMATCH_RESP_UPIU_SIZE: 0x4,
  PEER_COMM_FAILURE: 0x5,
  ABORTED: 0x6,
  FATAL_ERROR: 0x7,
  DEVICE_FATAL_ERROR: 0x8,
  INVALID_CRYPTO_CONFIG: 0x9,
  GENERAL_CRYPTO_ERROR: 0xa,
  /** What a driver stores before it rings the doorbell. */
  INVALID_COMMAND_STATUS: 0xf,
} as const;
export type Ocs = (typeof Ocs)[keyof typeof Ocs];

const CRYPTO_ENABLE = 0x80;
const INTERRUPT = 0x01;
const OCS_AT = 8;

/**
 * A UTP transfer request descriptor.
 *
 * @kernel include/ufs/ufshci.h: struct utp_transfer_req_desc
 */
export interface Utrd {
  /** CCI: the keyslot, of use when `cryptoEnable` is set. */
  cryptoConfigIndex: number;
  cryptoEnable: boolean;
  /** {@link UTP_CMD_TYPE_UFS_STORAGE}, or something a controller refuses; 4 bits. */
  commandType: number;
  /** A {@link DataDirection}; 2 bits. */
  dataDirection: number;
  /** Whether completion interrupts even when it is aggregated. */
  interrupt: boolean;
  /** DUN bits 31:0. */
  dunLow: number;
  /** DUN bits 63:32. */
  dunHigh: number;
  /** An {@link Ocs}. */
  ocs: number;
  /** Bus address of the command descriptor; its low 7 bits are reserved. */
  commandDescBase: number;
  /** Where the response UPIU goes, from the base; the wire counts 4-byte units. */
  responseOffsetBytes: number;
  /** How much room the response has; the wire counts 4-byte units. */
  responseBytes: number;
  /** Where the PRDT is, from the base; the wire counts 4-byte units. */
  prdtOffsetBytes: number;
  /** How many entries the PRDT has. */
  prdtEntries: number;
}

/** A descriptor with nothing in it. */
export function newUtrd(): Utrd {
  return {
    cryptoConfigIndex: 0,
    cryptoEnable: false,
    commandType: UTP_CMD_TYPE_UFS_STORAGE,
    dataDirection: DataDirection.NONE,
    interrupt: false,
    dunLow: 0,
    dunHigh: 0,
    ocs: Ocs.INVALID_COMMAND_STATUS,
    commandDescBase: 0,
    responseOffsetBytes: 0,
    responseBytes: 0,
    prdtOffsetBytes: 0,
    prdtEntries: 0,
  };
}

/** Reads the descriptor at `at` into `utrd`. */
export function parseUtrd(from: Uint8Array, at: number, utrd: Utrd): void {
  const control = from[at + 3]!;
  utrd.cryptoConfigIndex = from[at]!;
  utrd.cryptoEnable = (from[at + 2]! & CRYPTO_ENABLE) !== 0;
  utrd.commandType = control >>> 4;
  utrd.dataDirection = (control >>> 1) & 3;
  utrd.interrupt = (control & INTERRUPT) !== 0;
  utrd.dunLow = readU32Le(from, at + 4);
  utrd.ocs = from[at + OCS_AT]! & 0xf;
  utrd.dunHigh = readU32Le(from, at + 12);
  utrd.commandDescBase = readU64Le(from, at + 16);
  utrd.responseBytes = readU16Le(from, at + 24) * 4;
  utrd.responseOffsetBytes = readU16Le(from, at + 26) * 4;
  utrd.prdtEntries = readU16Le(from, at + 28);
  utrd.prdtOffsetBytes = readU16Le(from, at + 30) * 4;
}

/** Writes `utrd`, {@link UTRD_BYTES} bytes, at `at`. */
export function buildUtrd(into: Uint8Array, at: number, utrd: Readonly<Utrd>): void {
  into.fill(0, at, at + UTRD_BYTES);
  into[at] = utrd.cryptoConfigIndex;
  into[at + 2] = utrd.cryptoEnable ? CRYPTO_ENABLE : 0;
  into[at + 3] = (utrd.commandType << 4) | (utrd.dataDirection << 1) | (utrd.interrupt ? INTERRUPT : 0);
  writeU32Le(into, at + 4, utrd.dunLow);
  into[at + OCS_AT] = utrd.ocs;
  writeU32Le(into, at + 12, utrd.dunHigh);
  writeU64Le(into, at + 16, utrd.commandDescBase);
  writeU16Le(into, at + 24, utrd.responseBytes / 4);
  writeU16Le(into, at + 26, utrd.responseOffsetBytes / 4);
  writeU16Le(into, at + 28, utrd.prdtEntries);
  writeU16Le(into, at + 30, utrd.prdtOffsetBytes / 4);
}

/** Where the OCS byte of the descriptor in list entry `index` is, from the list's base; for UTRDs. */
export function utrdOcsOffset(index: number): number {
  return index * UTRD_BYTES + OCS_AT;
}
