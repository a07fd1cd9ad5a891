import { PeripheralType, readU16Be, Sense, writeU16Be, writeU32Be } from "../../ufshci/index.js";
import type { DeviceIdentity } from "./device-identity.js";
import type { ScsiTask } from "./scsi-task.js";
import type { ScsiUnit } from "./scsi-unit.js";

const STANDARD_BYTES = 36;
/** SPC-4. */
const VERSION = 0x06;
/** Of descriptors in one UNMAP: what the task's buffer holds. */
export const MAX_UNMAP_DESCRIPTORS = 8;

/** Fills `into` from `at` with `text`, padded with blanks to `bytes`. */
export function putText(into: Uint8Array, at: number, bytes: number, text: string): void {
  for (let index = 0; index < bytes; index++) into[at + index] = index < text.length ? text.charCodeAt(index) : 0x20;
}

/** INQUIRY to a logical unit that is not there: nothing is connected, and nothing could be. */
export function inquiryNoUnit(task: ScsiTask): void {
  task.buffer.fill(0, 0, STANDARD_BYTES);
  task.buffer[0] = 0x60 | PeripheralType.UNKNOWN;
  task.buffer[2] = VERSION;
  task.buffer[3] = 0x02;
  task.buffer[4] = STANDARD_BYTES - 5;
  task.reply(STANDARD_BYTES, readU16Be(task.cdb, 3));
}

/** INQUIRY: standard data, or a page of vital product data. */
export function inquiry(task: ScsiTask, unit: ScsiUnit, identity: DeviceIdentity): void {
  const { cdb, buffer } = task;
  const vital = (cdb[1]! & 1) === 1;
  if ((cdb[1]! & 0xfe) !== 0 || (!vital && cdb[2] !== 0)) return task.fail(Sense.INVALID_FIELD_IN_CDB);
  buffer.fill(0);
  buffer[0] = unit.peripheralType;
  const bytes = vital ? vitalProductData(buffer, cdb[2]!, unit, identity) : standardData(buffer, identity);
  if (bytes === 0) return task.fail(Sense.INVALID_FIELD_IN_CDB);
  task.reply(bytes, readU16Be(cdb, 3));
}

function standardData(buffer: Uint8Array, identity: DeviceIdentity): number {
  buffer[2] = VERSION;
  buffer[3] = 0x02;
  buffer[4] = STANDARD_BYTES - 5;
  buffer[7] = 0x02; // CMDQUE
  putText(buffer, 8, 8, identity.manufacturer);
  putText(buffer, 16, 16, identity.product);
  putText(buffer, 32, 4, identity.revision);
  return STANDARD_BYTES;
}

/** Writes page `page` and returns its length in bytes; 0: there is no such page. */
function vitalProductData(buffer: Uint8Array, page: number, unit: ScsiUnit, identity: DeviceIdentity): number {
  buffer[1] = page;
  const bytes = pageBody(buffer, page, unit, identity);
  writeU16Be(buffer, 2, bytes);
  return bytes === 0 ? 0 : bytes + 4;
}

function pageBody(buffer: Uint8Array, page: number, unit: ScsiUnit, identity: DeviceIdentity): number {
  switch (page) {
    case 0x00:
      return supportedPages(buffer, unit);
    case 0x80:
      putText(buffer, 4, identity.serial.length, identity.serial);
      return identity.serial.length;
    case 0x83:
      return deviceIdentification(buffer, unit, identity);
    default:
      return unit.isWellKnown ? 0 : blockPage(buffer, page);
  }
}

function supportedPages(buffer: Uint8Array, unit: ScsiUnit): number {
  const pages = unit.isWellKnown ? [0x00, 0x80, 0x83] : [0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2];
  buffer.set(pages, 4);
  return pages.length;
}

/** One T10 vendor designator: manufacturer, serial number and logical unit. */
function deviceIdentification(buffer: Uint8Array, unit: ScsiUnit, identity: DeviceIdentity): number {
  const name = `${identity.serial}-${unit.lun.toString(16).padStart(2, "0")}`;
  buffer[4] = 0x02; // ASCII
  buffer[5] = 0x01; // T10 vendor ID, of the logical unit
  buffer[7] = 8 + name.length;
  putText(buffer, 8, 8, identity.manufacturer);
  putText(buffer, 16, name.length, name);
  return 12 + name.length;
}

function blockPage(buffer: Uint8Array, page: number): number {
  switch (page) {
    case 0xb0: // block limits
      writeU16Be(buffer, 6, 1); // optimal transfer granularity
      writeU32Be(buffer, 12, 128); // optimal transfer length: 512 KiB
      writeU32Be(buffer, 20, 0xffff_ffff); // blocks in one UNMAP
      writeU32Be(buffer, 24, MAX_UNMAP_DESCRIPTORS);
      writeU32Be(buffer, 28, 1); // UNMAP granularity
      return 0x3c;
    case 0xb1: // block device characteristics
      writeU16Be(buffer, 4, 1); // does not rotate
      return 0x3c;
    case 0xb2: // logical block provisioning
      buffer[5] = 0x84; // LBPU: UNMAP works; LBPRZ: unmapped blocks read as zeroes
      buffer[6] = 0x02; // thin provisioned
      return 4;
    default:
      return 0;
  }
}
