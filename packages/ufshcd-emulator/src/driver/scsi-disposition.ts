import { BlkStatus } from "@inlinecrypt/blk-core";
import {
  Ocs,
  parseUpiuHeader,
  responseResidualBytes,
  responseSense,
  ScsiStatus,
  SenseKey,
  type UpiuHeader,
  UpiuResponseCode,
  UpiuTransaction,
} from "../ufshci/index.js";
import { RESPONSE_AT } from "./lrb.js";

/** What to do about a command that ended: end its request, try again a few times, or try again when the device has room. */
export type DispositionAction = "end" | "retry" | "requeue";

/** What became of a command. */
export interface Disposition {
  readonly action: DispositionAction;
  /** The status when it ends, or when it has been tried often enough. */
  readonly status: BlkStatus;
}

const disposition = (action: DispositionAction, status: BlkStatus): Disposition => Object.freeze({ action, status });

const GOOD = disposition("end", BlkStatus.OK);
const MEDIUM_ERROR = disposition("end", BlkStatus.MEDIUM);
const TARGET_FAILURE = disposition("end", BlkStatus.TARGET);
const NO_SPACE = disposition("end", BlkStatus.NOSPC);
const FAILED = disposition("end", BlkStatus.IOERR);
/** The host failed, or the device for a moment. */
const TRY_AGAIN = disposition("retry", BlkStatus.IOERR);
const MEDIUM_TRY_AGAIN = disposition("retry", BlkStatus.MEDIUM);
const NO_ROOM = disposition("requeue", BlkStatus.IOERR);
/** The command was taken from the controller before it ended. */
export const ABORTED: Disposition = TRY_AGAIN;
/** The controller is lost. */
export const HOST_LOST: Disposition = FAILED;

/** @kernel include/scsi/scsi_proto.h */
const RECOVERED_ERROR = 0x1;

/**
 * Reads how a command ended: OCS, response UPIU, SCSI status, sense data. Unless it `mayBeShort`, a command that moved
 * less data than it was asked to has not succeeded.
 *
 * @param header - scratch
 * @context hot
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_transfer_rsp_status; drivers/scsi/scsi_error.c: scsi_decide_disposition
 */
export function decideDisposition(ocs: number, ucd: Uint8Array, header: UpiuHeader, mayBeShort = false): Disposition {
  if (ocs !== Ocs.SUCCESS) return TRY_AGAIN;
  parseUpiuHeader(ucd, RESPONSE_AT, header);
  if (header.transaction !== UpiuTransaction.RESPONSE) return TRY_AGAIN;
  switch (header.status) {
    case ScsiStatus.GOOD:
      if (header.response !== UpiuResponseCode.TARGET_SUCCESS) return TRY_AGAIN;
      return mayBeShort || responseResidualBytes(ucd, RESPONSE_AT) === 0 ? GOOD : TRY_AGAIN;
    case ScsiStatus.CHECK_CONDITION:
      return checkSense(responseSense(ucd, RESPONSE_AT, header.dataSegmentBytes));
    case ScsiStatus.BUSY:
    case ScsiStatus.TASK_SET_FULL:
      return NO_ROOM;
    default:
      return TRY_AGAIN;
  }
}

/**
 * What fixed-format sense data means.
 *
 * @kernel drivers/scsi/scsi_error.c: scsi_check_sense; drivers/scsi/scsi_lib.c: scsi_io_completion_action
 */
export function checkSense(sense: Uint8Array): Disposition {
  if (sense.length < 14) return TRY_AGAIN;
  const asc = sense[12]!;
  const ascq = sense[13]!;
  switch (sense[2]! & 0xf) {
    case SenseKey.NO_SENSE:
    case RECOVERED_ERROR:
      return GOOD;
    case SenseKey.ABORTED_COMMAND:
    // A disk that is soldered in has not been changed: it was reset, and tells so once.
    case SenseKey.UNIT_ATTENTION:
      return TRY_AGAIN;
    case SenseKey.NOT_READY:
      return asc === 0x04 && ascq === 0x01 ? TRY_AGAIN : FAILED;
    case SenseKey.MEDIUM_ERROR:
      return isUnreadable(asc) ? MEDIUM_ERROR : MEDIUM_TRY_AGAIN;
    case SenseKey.HARDWARE_ERROR:
    case SenseKey.ILLEGAL_REQUEST:
      return TARGET_FAILURE;
    case SenseKey.DATA_PROTECT:
      return asc === 0x27 && ascq === 0x07 ? NO_SPACE : TARGET_FAILURE;
    default:
      return FAILED;
  }
}

/** Unrecovered read error, address mark not found, record not found: the device has tried for long enough itself. */
function isUnreadable(asc: number): boolean {
  return asc === 0x11 || asc === 0x13 || asc === 0x14;
}
