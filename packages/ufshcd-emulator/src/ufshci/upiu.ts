import { readU16Be, writeU16Be } from "./bytes.js";

/** Bytes of a UPIU without data segment: header and transaction-specific fields. */
export const UPIU_BYTES = 32;

/**
 * Transaction codes.
 *
 * @kernel include/ufs/ufs.h: UPIU_TRANSACTION_*
 */
export const UpiuTransaction = {
  NOP_OUT: 0x00,
  COMMAND: 0x01,
  DATA_OUT: 0x02,
  TASK_REQ: 0x04,
  QUERY_REQ: 0x16,
  NOP_IN: 0x20,
  RESPONSE: 0x21,
  DATA_IN: 0x22,
  TASK_RSP: 0x24,
  READY_XFER: 0x31,
  QUERY_RSP: 0x36,
  REJECT: 0x3f,
} as const;

/** Flags of a COMMAND UPIU: which way data goes. */
export const UpiuCommandFlag = { WRITE: 0x20, READ: 0x40 } as const;

/** Flags of a RESPONSE UPIU: less, or more, data than the expected length. */
export const UpiuResponseFlag = { UNDERFLOW: 0x20, OVERFLOW: 0x40 } as const;

/** Response codes (byte 6) of RESPONSE and REJECT UPIUs; a query response has a `QueryResult` there. */
export const UpiuResponseCode = { TARGET_SUCCESS: 0x00, TARGET_FAILURE: 0x01 } as const;

/**
 * The header of a UPIU.
 *
 * @kernel include/uapi/scsi/scsi_bsg_ufs.h: struct utp_upiu_header
 */
export interface UpiuHeader {
  /** An {@link UpiuTransaction}; 6 bits. */
  transaction: number;
  flags: number;
  /** UFS logical unit number: bit 7 set for the well-known ones. */
  lun: number;
  taskTag: number;
  /** 0 for SCSI; 4 bits. */
  commandSetType: number;
  /** Byte 5: query function, or task-management function. */
  func: number;
  /** Byte 6, in answers: {@link UpiuResponseCode}, `QueryResult` or task-management service response. */
  response: number;
  /** Byte 7, in answers to commands: SCSI status. */
  status: number;
  /** Bytes of data that follow the first 32 bytes. */
  dataSegmentBytes: number;
}

/** A header with nothing in it. */
export function newUpiuHeader(): UpiuHeader {
  return {
    transaction: 0,
    flags: 0,
    lun: 0,
    taskTag: 0,
    commandSetType: 0,
    func: 0,
    response: 0,
    status: 0,
    dataSegmentBytes: 0,
  };
}

/** Reads the header at `at` into `header`. */
export function parseUpiuHeader(from: Uint8Array, at: number, header: UpiuHeader): void {
  header.transaction = from[at]! & 0x3f;
  header.flags = from[at + 1]!;
  header.lun = from[at + 2]!;
  header.taskTag = from[at + 3]!;
  header.commandSetType = from[at + 4]! & 0xf;
  header.func = from[at + 5]!;
  header.response = from[at + 6]!;
  header.status = from[at + 7]!;
  header.dataSegmentBytes = readU16Be(from, at + 10);
}

/** Writes `header` at `at`. */
export function buildUpiuHeader(into: Uint8Array, at: number, header: Readonly<UpiuHeader>): void {
  into[at] = header.transaction;
  into[at + 1] = header.flags;
  into[at + 2] = header.lun;
  into[at + 3] = header.taskTag;
  into[at + 4] = header.commandSetType;
  into[at + 5] = header.func;
  into[at + 6] = header.response;
  into[at + 7] = header.status;
  into[at + 8] = 0;
  into[at + 9] = 0;
  writeU16Be(into, at + 10, header.dataSegmentBytes);
}
