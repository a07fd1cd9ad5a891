import { BlkBug, type BlkStatus, errnoToStatus } from "@inlinecrypt/blk-core";

/** The errno name that a driver's error carries. A broken invariant is not a status: it goes on. */
export function codeOfError(error: unknown): string {
  if (error instanceof BlkBug) throw error;
  return (error as { code?: string }).code ?? "EIO";
}

/** What a driver's error means for the I/O that asked. */
export function statusOfError(error: unknown): BlkStatus {
  return errnoToStatus(codeOfError(error));
}
