import type { ErrnoCode } from "./errors.js";

/**
 * How an I/O ended. Numbers and names are the kernel's, so that a trace reads the same on both sides.
 *
 * @kernel include/linux/blk_types.h: BLK_STS_*
 */
export const BlkStatus = {
  OK: 0,
  NOTSUPP: 1,
  TIMEOUT: 2,
  NOSPC: 3,
  TRANSPORT: 4,
  TARGET: 5,
  RESV_CONFLICT: 6,
  MEDIUM: 7,
  PROTECTION: 8,
  RESOURCE: 9,
  IOERR: 10,
  DM_REQUEUE: 11,
  AGAIN: 12,
  DEV_RESOURCE: 13,
  ZONE_OPEN_RESOURCE: 14,
  ZONE_ACTIVE_RESOURCE: 15,
  OFFLINE: 16,
  DURATION_LIMIT: 17,
  INVAL: 19,
} as const;
export type BlkStatus = (typeof BlkStatus)[keyof typeof BlkStatus];

/** One row a status; the first row of an errno is the one that errno maps back to. */
const statusTable: readonly (readonly [BlkStatus, ErrnoCode | null, string])[] = [
  [BlkStatus.OK, null, "OK"],
  [BlkStatus.NOTSUPP, "EOPNOTSUPP", "NOTSUPP"],
  [BlkStatus.TIMEOUT, "ETIMEDOUT", "TIMEOUT"],
  [BlkStatus.NOSPC, "ENOSPC", "NOSPC"],
  [BlkStatus.TRANSPORT, "ENOLINK", "TRANSPORT"],
  [BlkStatus.TARGET, "EREMOTEIO", "TARGET"],
  [BlkStatus.RESV_CONFLICT, "EBADE", "RESV_CONFLICT"],
  [BlkStatus.MEDIUM, "ENODATA", "MEDIUM"],
  [BlkStatus.PROTECTION, "EILSEQ", "PROTECTION"],
  [BlkStatus.RESOURCE, "ENOMEM", "RESOURCE"],
  [BlkStatus.IOERR, "EIO", "IOERR"],
  [BlkStatus.DM_REQUEUE, "EREMCHG", "DM_REQUEUE"],
  [BlkStatus.AGAIN, "EAGAIN", "AGAIN"],
  [BlkStatus.DEV_RESOURCE, "EBUSY", "DEV_RESOURCE"],
  [BlkStatus.ZONE_OPEN_RESOURCE, "ETOOMANYREFS", "ZONE_OPEN_RESOURCE"],
  [BlkStatus.ZONE_ACTIVE_RESOURCE, "EOVERFLOW", "ZONE_ACTIVE_RESOURCE"],
  [BlkStatus.OFFLINE, "ENODEV", "OFFLINE"],
  [BlkStatus.DURATION_LIMIT, "ETIME", "DURATION_LIMIT"],
  [BlkStatus.INVAL, "EINVAL", "INVAL"],
];

/**
 * The status for an errno code; a code the block layer does not know is an I/O error.
 *
 * @kernel block/blk-core.c: errno_to_blk_status
 */
export function errnoToStatus(code: string): BlkStatus {
  for (const [status, errno] of statusTable) if (errno === code) return status;
  return BlkStatus.IOERR;
}

/**
 * The errno code of a failed status (`EIO` for a number that is no status).
 *
 * @kernel block/blk-core.c: blk_status_to_errno
 */
export function statusToErrno(status: BlkStatus): ErrnoCode | null {
  for (const [row, errno] of statusTable) if (row === status) return errno;
  return "EIO";
}

/** The status's name without its prefix, for messages and traces: `"IOERR"`. */
export function statusName(status: BlkStatus): string {
  for (const [row, , name] of statusTable) if (row === status) return name;
  return `unknown status ${status}`;
}
