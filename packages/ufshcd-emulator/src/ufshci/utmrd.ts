import { readU32Be, writeU32Be } from "./bytes.js";
import { buildUpiuHeader, newUpiuHeader, parseUpiuHeader, type UpiuHeader, UpiuTransaction } from "./upiu.js";

/** Bytes of one task-management request descriptor: header, request UPIU, response UPIU. */
export const UTMRD_BYTES = 80;

/** Most entries of a task-management request list (CAP.NUTMRS + 1). */
export const MAX_TASK_REQUESTS = 8;

/** Where the response UPIU begins. */
export const UTMRD_RESPONSE_AT = 48;

const REQUEST_AT = 16;
const OCS_AT = 8;
const INTERRUPT = 0x01;

/** Task-management functions (byte 5 of the request's header). */
export const TaskFunction = {
  ABORT_TASK: 0x01,
  ABORT_TASK_SET: 0x02,
  CLEAR_TASK_SET: 0x04,
  LOGICAL_UNIT_RESET: 0x08,
  QUERY_TASK: 0x80,
  QUERY_TASK_SET: 0x81,
} as const;

/** Service responses: output parameter 1 of the response. */
export const TaskResponse = {
  FUNC_COMPL: 0x00,
  FUNC_NOT_SUPPORTED: 0x04,
  FUNC_FAILED: 0x05,
  /** Of a query: the task is there. */
  FUNC_SUCCEEDED: 0x08,
  INCORRECT_LOGICAL_UNIT_NO: 0x09,
} as const;
export type TaskResponse = (typeof TaskResponse)[keyof typeof TaskResponse];

/**
 * A UTP task-management request descriptor.
 *
 * @kernel include/ufs/ufshci.h: struct utp_task_req_desc
 */
export interface Utmrd {
  interrupt: boolean;
  /** An `Ocs`. */
  ocs: number;
  /** Header of the request UPIU; `func` is a {@link TaskFunction}. */
  request: UpiuHeader;
  /** Input parameter 1: the logical unit the function is about. */
  lun: number;
  /** Input parameter 2: the tag of the task the function is about. */
  taskTag: number;
}

/** A descriptor with nothing in it. */
export function newUtmrd(): Utmrd {
  return { interrupt: false, ocs: 0xf, request: newUpiuHeader(), lun: 0, taskTag: 0 };
}

/** Reads the request half of the descriptor at `at`. */
export function parseUtmrd(from: Uint8Array, at: number, utmrd: Utmrd): void {
  utmrd.interrupt = (from[at + 3]! & INTERRUPT) !== 0;
  utmrd.ocs = from[at + OCS_AT]! & 0xf;
  parseUpiuHeader(from, at + REQUEST_AT, utmrd.request);
  utmrd.lun = readU32Be(from, at + REQUEST_AT + 12) & 0xff;
  utmrd.taskTag = readU32Be(from, at + REQUEST_AT + 16) & 0xff;
}

/** Writes a whole descriptor, its response half empty. */
export function buildUtmrd(into: Uint8Array, at: number, utmrd: Readonly<Utmrd>): void {
  into.fill(0, at, at + UTMRD_BYTES);
  into[at + 3] = utmrd.interrupt ? INTERRUPT : 0;
  into[at + OCS_AT] = utmrd.ocs;
  buildUpiuHeader(into, at + REQUEST_AT, utmrd.request);
  writeU32Be(into, at + REQUEST_AT + 12, utmrd.lun);
  writeU32Be(into, at + REQUEST_AT + 16, utmrd.taskTag);
}

/** Stores the answer in the descriptor at `at`; the request half stays. */
export function buildUtmrdResponse(
  into: Uint8Array,
  at: number,
  request: Readonly<UpiuHeader>,
  ocs: number,
  response: number,
): void {
  into[at + OCS_AT] = ocs;
  into.fill(0, at + UTMRD_RESPONSE_AT, at + UTMRD_BYTES);
  const header = {
    ...request,
    transaction: UpiuTransaction.TASK_RSP,
    flags: 0,
    response: 0,
    status: 0,
    dataSegmentBytes: 0,
  };
  buildUpiuHeader(into, at + UTMRD_RESPONSE_AT, header);
  writeU32Be(into, at + UTMRD_RESPONSE_AT + 12, response);
}

/** The service response in the descriptor at `at`. */
export function utmrdServiceResponse(from: Uint8Array, at: number): number {
  return readU32Be(from, at + UTMRD_RESPONSE_AT + 12) & 0xff;
}

/** Where the OCS byte is in a descriptor. */
export const UTMRD_OCS_AT: number = OCS_AT;
