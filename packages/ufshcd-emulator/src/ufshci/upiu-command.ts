import { readU16Be, readU32Be, writeU16Be, writeU32Be } from "./bytes.js";
import { UPIU_BYTES } from "./upiu.js";

/** Bytes of the command descriptor block in a COMMAND UPIU. */
export const CDB_BYTES = 16;

/** Bytes of the sense data in a RESPONSE UPIU. */
export const UFS_SENSE_BYTES = 18;

const EXPECTED_AT = 12;
const CDB_AT = 16;
const RESIDUAL_AT = 12;

/** The expected data transfer length, in bytes, of the COMMAND UPIU at `at`. */
export function commandExpectedBytes(from: Uint8Array, at: number): number {
  return readU32Be(from, at + EXPECTED_AT);
}

/** The command descriptor block of the COMMAND UPIU at `at`: 16 bytes, a view. */
export function commandCdb(from: Uint8Array, at: number): Uint8Array {
  return from.subarray(at + CDB_AT, at + CDB_AT + CDB_BYTES);
}

/** Writes the fields of a COMMAND UPIU behind its header; a shorter `cdb` is filled up with zeroes. */
export function buildCommandFields(into: Uint8Array, at: number, expectedBytes: number, cdb: Uint8Array): void {
  writeU32Be(into, at + EXPECTED_AT, expectedBytes);
  into.fill(0, at + CDB_AT, at + UPIU_BYTES);
  into.set(cdb.length > CDB_BYTES ? cdb.subarray(0, CDB_BYTES) : cdb, at + CDB_AT);
}

/** The residual transfer count, in bytes, of the RESPONSE UPIU at `at`. */
export function responseResidualBytes(from: Uint8Array, at: number): number {
  return readU32Be(from, at + RESIDUAL_AT);
}

/** The sense data of the RESPONSE UPIU at `at`, a view; empty when there is none or it is cut off. */
export function responseSense(from: Uint8Array, at: number, dataSegmentBytes: number): Uint8Array {
  if (dataSegmentBytes < 2 || from.length < at + UPIU_BYTES + 2) return from.subarray(0, 0);
  const bytes = Math.min(readU16Be(from, at + UPIU_BYTES), dataSegmentBytes - 2);
  return from.subarray(at + UPIU_BYTES + 2, at + UPIU_BYTES + 2 + bytes);
}

/**
 * Writes the fields of a RESPONSE UPIU behind its header.
 *
 * @param sense - sense data, or undefined
 * @returns the bytes of the data segment, for the header
 */
export function buildResponseFields(
  into: Uint8Array,
  at: number,
  residualBytes: number,
  sense: Uint8Array | undefined,
): number {
  into.fill(0, at + RESIDUAL_AT, at + UPIU_BYTES);
  writeU32Be(into, at + RESIDUAL_AT, residualBytes);
  if (sense === undefined) return 0;
  writeU16Be(into, at + UPIU_BYTES, sense.length);
  into.set(sense, at + UPIU_BYTES + 2);
  return sense.length + 2;
}
