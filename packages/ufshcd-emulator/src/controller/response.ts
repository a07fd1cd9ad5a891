import {
  buildQueryFields,
  buildResponseFields,
  buildUpiuHeader,
  ScsiStatus,
  UFS_SENSE_BYTES,
  UPIU_BYTES,
  UpiuResponseCode,
  UpiuResponseFlag,
  UpiuTransaction,
} from "../ufshci/index.js";
import { buildSense } from "./device/scsi-task.js";
import type { Transfer } from "./transfer.js";

/** Basic header status of a REJECT UPIU: no such transaction type. */
const INVALID_TRANSACTION_TYPE = 0x01;

/**
 * Writes the answer to a request into `transfer.response`; the request's header, which most of it repeats, becomes the
 * answer's.
 *
 * @returns its length in bytes
 */
export function buildResponse(transfer: Transfer): number {
  const { answer, header, response } = transfer;
  header.transaction = answer;
  header.flags = 0;
  header.dataSegmentBytes = 0;
  response.fill(0, 0, UPIU_BYTES);
  if (answer === UpiuTransaction.RESPONSE) commandResponse(transfer);
  else if (answer === UpiuTransaction.QUERY_RSP) queryResponse(transfer);
  else if (answer === UpiuTransaction.REJECT) {
    header.response = UpiuResponseCode.TARGET_FAILURE;
    response[12] = INVALID_TRANSACTION_TYPE;
  } else header.response = UpiuResponseCode.TARGET_SUCCESS;
  buildUpiuHeader(response, 0, header);
  return UPIU_BYTES + header.dataSegmentBytes;
}

function commandResponse({ header, response, runner }: Transfer): void {
  const { task, movedBytes } = runner;
  const residual = task.expectedBytes - movedBytes;
  header.flags = residual > 0 ? UpiuResponseFlag.UNDERFLOW : 0;
  header.response = UpiuResponseCode.TARGET_SUCCESS;
  header.status = task.status;
  const sense = task.status === ScsiStatus.CHECK_CONDITION ? senseOf(task.senseCode) : undefined;
  header.dataSegmentBytes = buildResponseFields(response, 0, residual, sense);
}

function senseOf(code: number): Uint8Array {
  const sense = new Uint8Array(UFS_SENSE_BYTES);
  buildSense(sense, code);
  return sense;
}

function queryResponse({ data, header, query, response }: Transfer): void {
  buildQueryFields(response, 0, query);
  response.set(data, UPIU_BYTES);
  header.dataSegmentBytes = data.length;
}
