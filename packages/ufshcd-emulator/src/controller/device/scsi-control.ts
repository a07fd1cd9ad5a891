import { readU32Be, Sense, UFS_SENSE_BYTES, WellKnownLun, writeU16Be, writeU32Be } from "../../ufshci/index.js";
import { buildSense, type ScsiTask } from "./scsi-task.js";
import type { ScsiUnit } from "./scsi-unit.js";

/** SCSI form of a well-known logical unit number. */
const WELL_KNOWN_BASE = 0xc100;

const SelectReport = { NORMAL: 0, WELL_KNOWN: 1, ALL: 2 } as const;

/** REQUEST SENSE: a pending unit attention, which is then over, or nothing. */
export function requestSense(task: ScsiTask, unit: ScsiUnit): void {
  if ((task.cdb[1]! & 1) !== 0) return task.fail(Sense.INVALID_FIELD_IN_CDB); // descriptor format
  buildSense(task.buffer, unit.unitAttention);
  unit.unitAttention = Sense.NO_SENSE;
  task.reply(UFS_SENSE_BYTES, task.cdb[4]!);
}

/** REPORT LUNS. */
export function reportLuns(task: ScsiTask, units: ReadonlyMap<number, ScsiUnit>): void {
  const { cdb, buffer } = task;
  const select = cdb[2]!;
  if (select > SelectReport.ALL || readU32Be(cdb, 6) < 16) return task.fail(Sense.INVALID_FIELD_IN_CDB);
  buffer.fill(0);
  let at = 8;
  for (const { lun, isWellKnown } of units.values()) {
    if (select !== SelectReport.ALL && isWellKnown !== (select === SelectReport.WELL_KNOWN)) continue;
    writeU16Be(buffer, at, isWellKnown ? WELL_KNOWN_BASE | (lun & 0x7f) : lun);
    at += 8;
  }
  writeU32Be(buffer, 0, at - 8);
  task.reply(at, readU32Be(cdb, 6));
}

/** Power conditions of START STOP UNIT, and what bCurrentPowerMode then says. */
const POWER_MODES: ReadonlyMap<number, number> = new Map([
  [1, 0x11], // active
  [2, 0x22], // sleep
  [3, 0x33], // power-down
]);

/**
 * START STOP UNIT. The UFS device's unit takes power conditions for the whole device, normal units start and stop.
 *
 * @returns the device's new power mode, or undefined when it stays what it is
 */
export function startStopUnit(task: ScsiTask, unit: ScsiUnit): number | undefined {
  const condition = task.cdb[4]! >>> 4;
  if (unit.lun === WellKnownLun.UFS_DEVICE) {
    const mode = POWER_MODES.get(condition);
    if (mode === undefined) task.fail(Sense.INVALID_FIELD_IN_CDB);
    return mode;
  }
  if (condition !== 0) task.fail(Sense.INVALID_FIELD_IN_CDB);
  else unit.started = (task.cdb[4]! & 1) === 1;
  return undefined;
}
