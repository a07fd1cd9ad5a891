import { readU16Be, ScsiOp, Sense, writeU16Be } from "../../ufshci/index.js";
import type { ScsiTask } from "./scsi-task.js";
import type { ScsiUnit } from "./scsi-unit.js";

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;
const CHANGEABLE = 1;
const SAVED = 3;

/** Page code, page length, and what bytes of it are not zero. */
const PAGES: readonly (readonly [code: number, bytes: number, ...values: (readonly [at: number, value: number])[]])[] =
  [
    [0x01, 0x0a, [2, 0x80], [3, 0x03], [8, 0x03]], // read-write error recovery: AWRE, retries
    [0x08, 0x12, [2, 0x04]], // caching: WCE
    [0x0a, 0x0a, [3, 0x10], [8, 0xff], [9, 0xff]], // control: reordering allowed, no busy time-out
  ];

/** MODE SENSE (6) and (10). There are no block descriptors, nothing is changeable and nothing saved. */
export function modeSense(task: ScsiTask, unit: ScsiUnit): void {
  const { cdb, buffer } = task;
  const ten = cdb[0] === ScsiOp.MODE_SENSE_10;
  const control = cdb[2]! >>> 6;
  const subpage = cdb[3]!;
  if (control === SAVED) return task.fail(Sense.SAVING_PARAMETERS_NOT_SUPPORTED);
  if (subpage !== 0 && subpage !== ALL_SUBPAGES) return task.fail(Sense.INVALID_FIELD_IN_CDB);
  buffer.fill(0);
  const headerBytes = ten ? 8 : 4;
  const end = putPages(buffer, headerBytes, cdb[2]! & 0x3f, control === CHANGEABLE);
  if (end === headerBytes) return task.fail(Sense.INVALID_FIELD_IN_CDB);
  const deviceSpecific = (unit.readOnly ? 0x80 : 0) | 0x10; // write protected; DPO and FUA understood
  buffer[ten ? 3 : 2] = deviceSpecific;
  if (ten) writeU16Be(buffer, 0, end - 2);
  else buffer[0] = end - 1;
  task.reply(end, ten ? readU16Be(cdb, 7) : cdb[4]!);
}

function putPages(buffer: Uint8Array, start: number, wanted: number, changeable: boolean): number {
  let at = start;
  for (const [code, bytes, ...values] of PAGES) {
    if (wanted !== code && wanted !== ALL_PAGES) continue;
    buffer[at] = code;
    buffer[at + 1] = bytes;
    if (!changeable) for (const [offset, value] of values) buffer[at + offset] = value;
    at += 2 + bytes;
  }
  return at;
}
