import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type KernelRecord, type KernelVectorMode, readRecords } from "./kernel-record.js";
import { buildPlaintext } from "./plaintext.js";

/** One run of data units that a Linux kernel encrypted. */
export interface KernelVector {
  readonly id: string;
  readonly mode: KernelVectorMode;
  /** The key as the block layer gets it. */
  readonly key: Uint8Array;
  /** DUN of the first data unit. */
  readonly firstDun: bigint;
  /** By how much the DUN rises from one data unit to the next; 1 in nearly all records. */
  readonly dunStep: bigint;
  /** Bytes in a data unit. */
  readonly dataUnitSize: number;
  readonly dataUnits: number;
  /** The record as the file has it, for where it came from (`dmTable`, `policy`, `nonceHex`, ...). */
  readonly record: KernelRecord;
  /** Builds the plaintext; each call gives a new array. */
  plaintext(): Uint8Array;
}

export interface KernelVectorFilter {
  readonly mode?: KernelVectorMode;
}

function toVector(record: KernelRecord): KernelVector {
  return {
    id: record.id,
    mode: record.mode,
    key: new Uint8Array(Buffer.from(record.keyHex, "hex")),
    firstDun: BigInt(record.firstDun),
    dunStep: BigInt(record.dunStep ?? 1),
    dataUnitSize: record.dataUnitSize,
    dataUnits: record.dataUnits,
    record,
    plaintext: () => buildPlaintext(record.plaintext.length, record.plaintext.segments),
  };
}

/** Every record of both kernel layers, dm-crypt first; with `filter.mode`, those of one mode. */
export function kernelVectors(filter: KernelVectorFilter = {}): KernelVector[] {
  const records = [...readRecords("vectors-dmcrypt.json"), ...readRecords("vectors-fscrypt.json")];
  return records.filter((record) => filter.mode === undefined || record.mode === filter.mode).map(toVector);
}

/** SHA-256 in hex, as the records hold it. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/**
 * Checks a ciphertext against everything the record holds of it. The samples come before the hash, as they tell where it
 * went wrong.
 *
 * @throws AssertionError that names the record and the field
 */
export function assertCiphertext(vector: KernelVector, ciphertext: Uint8Array): void {
  const { record, dataUnitSize } = vector;
  const what = (field: string): string => `${vector.id}: ${field}`;
  assert.equal(ciphertext.length, dataUnitSize * vector.dataUnits, what("length"));
  if (record.ciphertextFirst64Hex !== undefined) {
    assert.equal(hex(ciphertext.subarray(0, 64)), record.ciphertextFirst64Hex, what("ciphertextFirst64Hex"));
  }
  for (const [unit, expected] of (record.unitFirst16Hex ?? []).entries()) {
    const at = unit * dataUnitSize;
    assert.equal(hex(ciphertext.subarray(at, at + 16)), expected, what(`unitFirst16Hex[${unit}]`));
  }
  if (record.ciphertextHex !== undefined) {
    assert.equal(hex(ciphertext), record.ciphertextHex, what("ciphertextHex"));
  }
  assert.equal(sha256Hex(ciphertext), record.ciphertextSha256, what("ciphertextSha256"));
}
