import { NBD_MAX_PAYLOAD_BYTES, NbdCmd, NbdCmdFlag, NbdError } from "../protocol/constants.js";
import type { RequestHeader } from "../protocol/request.js";
import type { ServedExport } from "./served-export.js";

/**
 * What the protocol says to a request: OK, or the error to refuse it with. FUA is allowed everywhere; the other flags
 * only where they mean something.
 *
 * @context hot
 */
export function checkRequest(header: Readonly<RequestHeader>, exported: ServedExport): NbdError {
  const otherFlags = header.flags & ~NbdCmdFlag.FUA;
  switch (header.type) {
    case NbdCmd.READ:
      return otherFlags !== 0 ? NbdError.EINVAL : checkPayload(header, exported, NbdError.EINVAL);
    case NbdCmd.WRITE:
      if (exported.readOnly) return NbdError.EPERM;
      return otherFlags !== 0 ? NbdError.EINVAL : checkPayload(header, exported, NbdError.ENOSPC);
    case NbdCmd.FLUSH:
      return otherFlags !== 0 || header.offset !== 0 || header.bytes !== 0 ? NbdError.EINVAL : NbdError.OK;
    case NbdCmd.TRIM:
      if (exported.readOnly) return NbdError.EPERM;
      if (otherFlags !== 0 || !exported.canDiscard) return NbdError.EINVAL;
      return checkEnd(header, exported, NbdError.EINVAL);
    case NbdCmd.WRITE_ZEROES:
      if (exported.readOnly) return NbdError.EPERM;
      if ((otherFlags & ~NbdCmdFlag.NO_HOLE) !== 0) return NbdError.EINVAL;
      return checkEnd(header, exported, NbdError.ENOSPC);
    default:
      return NbdError.EINVAL;
  }
}

function checkPayload(header: Readonly<RequestHeader>, exported: ServedExport, beyondEnd: NbdError): NbdError {
  return header.bytes > NBD_MAX_PAYLOAD_BYTES ? NbdError.EINVAL : checkEnd(header, exported, beyondEnd);
}

function checkEnd(header: Readonly<RequestHeader>, exported: ServedExport, beyondEnd: NbdError): NbdError {
  return header.offset + header.bytes > exported.bytes ? beyondEnd : NbdError.OK;
}
