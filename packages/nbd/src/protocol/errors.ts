import { BlkStatus, type ErrnoCode } from "@inlinecrypt/blk-core";
import { NbdError, NbdRep } from "./constants.js";

/**
 * What a reply says about an I/O that ended with `status`. The protocol knows few errors; what it has no word for is EIO.
 */
export function statusToNbdError(status: BlkStatus): NbdError {
  switch (status) {
    case BlkStatus.OK:
      return NbdError.OK;
    case BlkStatus.NOSPC:
      return NbdError.ENOSPC;
    case BlkStatus.RESOURCE:
      return NbdError.ENOMEM;
    case BlkStatus.INVAL:
      return NbdError.EINVAL;
    case BlkStatus.NOTSUPP:
      return NbdError.ENOTSUP;
    default:
      return NbdError.EIO;
  }
}

/** The errno a client reports for the error of a reply; a number the protocol does not define is EINVAL. */
export function nbdErrorToErrno(error: number): ErrnoCode {
  switch (error) {
    case NbdError.EPERM:
      return "EPERM";
    case NbdError.EIO:
      return "EIO";
    case NbdError.ENOMEM:
      return "ENOMEM";
    case NbdError.ENOSPC:
      return "ENOSPC";
    case NbdError.EOVERFLOW:
      return "EOVERFLOW";
    case NbdError.ENOTSUP:
      return "EOPNOTSUPP";
    case NbdError.ESHUTDOWN:
      return "ESHUTDOWN";
    default:
      return "EINVAL";
  }
}

/** The errno a client reports for an error reply to an option. */
export function optionErrorToErrno(replyType: number): ErrnoCode {
  switch (replyType) {
    case NbdRep.ERR_UNSUP:
    case NbdRep.ERR_PLATFORM:
      return "EOPNOTSUPP";
    case NbdRep.ERR_POLICY:
    case NbdRep.ERR_TLS_REQD:
      return "EPERM";
    case NbdRep.ERR_UNKNOWN:
      return "ENOENT";
    case NbdRep.ERR_SHUTDOWN:
      return "ESHUTDOWN";
    case NbdRep.ERR_TOO_BIG:
      return "EOVERFLOW";
    default:
      return "EINVAL";
  }
}
