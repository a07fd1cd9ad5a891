import {
  LOGICAL_BLOCK_BYTES,
  readU16Be,
  readU32Be,
  readU64Be,
  SAI_READ_CAPACITY_16,
  ScsiOp,
  Sense,
  writeU32Be,
  writeU64Be,
} from "../../ufshci/index.js";
import { MAX_UNMAP_DESCRIPTORS } from "./scsi-inquiry.js";
import { type ScsiTask, TaskPhase } from "./scsi-task.js";
import type { ScsiUnit } from "./scsi-unit.js";

const PROTECT_MASK = 0xe0;
const FUA = 0x08;

/** READ and WRITE of 6, 10 and 16 bytes. */
export function readWrite(task: ScsiTask, unit: ScsiUnit, write: boolean): void {
  const { cdb } = task;
  const short = cdb[0] === ScsiOp.READ_6 || cdb[0] === ScsiOp.WRITE_6;
  if (!short && (cdb[1]! & PROTECT_MASK) !== 0) return task.fail(Sense.INVALID_FIELD_IN_CDB);
  if (write && unit.readOnly) return task.fail(Sense.WRITE_PROTECTED);
  if (!inRange(unit, blockOf(cdb), blocksOf(cdb))) return task.fail(Sense.LBA_OUT_OF_RANGE);
  const bytes = blocksOf(cdb) * LOGICAL_BLOCK_BYTES;
  if (bytes > task.expectedBytes) return task.fail(Sense.INVALID_FIELD_IN_INFORMATION_UNIT);
  if (bytes === 0) return task.good();
  task.wantMedium(write ? TaskPhase.WRITE : TaskPhase.READ, unit.medium!, blockOf(cdb) * LOGICAL_BLOCK_BYTES, bytes);
  task.flushAfter = write && !short && (cdb[1]! & FUA) !== 0;
}

/** SYNCHRONIZE CACHE: the whole medium, whatever the range. */
export function synchronizeCache(task: ScsiTask, unit: ScsiUnit): void {
  if (!inRange(unit, blockOf(task.cdb), blocksOf(task.cdb))) return task.fail(Sense.LBA_OUT_OF_RANGE);
  task.wantMedium(TaskPhase.FLUSH, unit.medium!, 0, 0);
}

/** READ CAPACITY (10). */
export function readCapacity10(task: ScsiTask, unit: ScsiUnit): void {
  writeU32Be(task.buffer, 0, Math.min(unit.blockCount - 1, 0xffff_ffff));
  writeU32Be(task.buffer, 4, LOGICAL_BLOCK_BYTES);
  task.reply(8, 8);
}

/** SERVICE ACTION IN (16), of which there is READ CAPACITY (16). */
export function serviceActionIn16(task: ScsiTask, unit: ScsiUnit): void {
  const { cdb, buffer } = task;
  if ((cdb[1]! & 0x1f) !== SAI_READ_CAPACITY_16) return task.fail(Sense.INVALID_FIELD_IN_CDB);
  buffer.fill(0, 0, 32);
  writeU64Be(buffer, 0, unit.blockCount - 1);
  writeU32Be(buffer, 8, LOGICAL_BLOCK_BYTES);
  buffer[14] = 0xc0; // LBPME: thin provisioned; LBPRZ: unmapped blocks read as zeroes
  task.reply(32, readU32Be(cdb, 10));
}

/** UNMAP: asks for its parameter list. */
export function unmap(task: ScsiTask, unit: ScsiUnit): void {
  const listBytes = readU16Be(task.cdb, 7);
  if (unit.readOnly) return task.fail(Sense.WRITE_PROTECTED);
  if (listBytes === 0) return task.good();
  if (listBytes < 8) return task.fail(Sense.PARAMETER_LIST_LENGTH_ERROR);
  if (listBytes > task.expectedBytes) return task.fail(Sense.INVALID_FIELD_IN_INFORMATION_UNIT);
  task.wantParameters(Math.min(listBytes, 8 + 16 * MAX_UNMAP_DESCRIPTORS));
}

/**
 * UNMAP, with its parameter list in the buffer: checks every descriptor first, then asks for one discard after the other.
 *
 * @param index - the descriptor whose turn it is
 */
export function unmapDescriptor(task: ScsiTask, unit: ScsiUnit, index: number): void {
  const count = readU16Be(task.buffer, 2) >>> 4;
  if (index === 0) {
    const sense = checkDescriptors(task, unit, count);
    if (sense !== Sense.NO_SENSE) return task.fail(sense);
  }
  if (index >= count) return task.good();
  const at = 8 + 16 * index;
  const bytes = readU32Be(task.buffer, at + 8) * LOGICAL_BLOCK_BYTES;
  task.wantMedium(TaskPhase.DISCARD, unit.medium!, readU64Be(task.buffer, at) * LOGICAL_BLOCK_BYTES, bytes);
}

function checkDescriptors(task: ScsiTask, unit: ScsiUnit, count: number): number {
  if (count > MAX_UNMAP_DESCRIPTORS) return Sense.INVALID_FIELD_IN_PARAMETER_LIST;
  if (8 + 16 * count > task.bytes) return Sense.PARAMETER_LIST_LENGTH_ERROR;
  for (let at = 8; at < 8 + 16 * count; at += 16) {
    if (!inRange(unit, readU64Be(task.buffer, at), readU32Be(task.buffer, at + 8))) return Sense.LBA_OUT_OF_RANGE;
  }
  return Sense.NO_SENSE;
}

function inRange(unit: ScsiUnit, block: number, blocks: number): boolean {
  return block + blocks <= unit.blockCount;
}

/** First logical block of a command of 6, 10 or 16 bytes. */
function blockOf(cdb: Uint8Array): number {
  const group = cdb[0]! >>> 5;
  if (group === 0) return readU32Be(cdb, 0) & 0x1f_ffff;
  return group === 4 ? readU64Be(cdb, 2) : readU32Be(cdb, 2);
}

/** How many logical blocks a command of 6, 10 or 16 bytes is about; 0 means 256 in 6 bytes. */
function blocksOf(cdb: Uint8Array): number {
  const group = cdb[0]! >>> 5;
  if (group === 0) return cdb[4]! || 256;
  return group === 4 ? readU32Be(cdb, 10) : readU16Be(cdb, 7);
}
