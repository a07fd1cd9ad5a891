import {
  DescriptorIdn,
  LOGICAL_BLOCK_BYTES,
  WellKnownLun,
  writeU16Be,
  writeU32Be,
  writeU64Be,
} from "../../ufshci/index.js";
import type { DeviceIdentity } from "./device-identity.js";
import type { ScsiUnit } from "./scsi-unit.js";

/** UFS 3.1. */
const SPEC_VERSION = 0x0310;
const SEGMENT_SECTORS = 0x2000;
const UNIT_DESCRIPTOR_BYTES = 0x2d;
/** Most tasks in one logical unit. */
export const LU_QUEUE_DEPTH = 32;

/** Where the strings are. */
export const StringIndex = { MANUFACTURER: 1, PRODUCT: 2, SERIAL: 3, OEM_ID: 4, REVISION: 5 } as const;

/** Starts a descriptor of `bytes` bytes. */
function descriptor(idn: number, bytes: number): Uint8Array {
  const made = new Uint8Array(bytes);
  made[0] = bytes;
  made[1] = idn;
  return made;
}

/** @kernel include/ufs/ufs.h: enum device_desc_param */
export function deviceDescriptor(normalUnits: number): Uint8Array {
  const made = descriptor(DescriptorIdn.DEVICE, 0x59);
  made[0x06] = normalUnits;
  made[0x07] = Object.keys(WellKnownLun).length;
  made[0x09] = 0x01; // descriptors may be read before initialisation
  made[0x0a] = 0x01; // active after power-on
  made[0x0b] = 0x7f; // all units of equal priority
  made[0x0d] = 0x01; // secure removal: erase
  writeU16Be(made, 0x10, SPEC_VERSION);
  writeU16Be(made, 0x12, 0x0126); // manufactured: month, year
  made[0x14] = StringIndex.MANUFACTURER;
  made[0x15] = StringIndex.PRODUCT;
  made[0x16] = StringIndex.SERIAL;
  made[0x17] = StringIndex.OEM_ID;
  writeU16Be(made, 0x18, 0x0000); // no manufacturer of which a driver knows a quirk
  made[0x1a] = 0x16; // where a unit's parameters begin in a configuration descriptor
  made[0x1b] = 0x1a;
  made[0x1c] = 0x02; // outstanding READY TO TRANSFER
  made[0x21] = LU_QUEUE_DEPTH; // one queue for all units
  made[0x2a] = StringIndex.REVISION;
  return made;
}

/** @kernel include/ufs/ufs.h: enum geometry_desc_param */
export function geometryDescriptor(units: Iterable<ScsiUnit>): Uint8Array {
  let blocks = 0;
  for (const unit of units) blocks += unit.blockCount;
  const made = descriptor(DescriptorIdn.GEOMETRY, 0x57);
  writeU64Be(made, 0x04, (blocks * LOGICAL_BLOCK_BYTES) / 512); // capacity, in sectors
  made[0x0c] = 0x00; // 8 logical units
  writeU32Be(made, 0x0d, SEGMENT_SECTORS);
  made[0x11] = 0x01; // allocation unit, in segments
  made[0x12] = LOGICAL_BLOCK_BYTES / 512; // smallest logical block, in sectors
  made[0x15] = 0x40; // largest DATA IN and DATA OUT, in sectors
  made[0x16] = 0x40;
  made[0x17] = 0x40; // RPMB frames in one access
  made[0x1e] = 0x80; // memory types: normal
  made[0x1f] = 0x01;
  writeU32Be(made, 0x44, 0x0000_0003); // best block size: 2^3 sectors
  return made;
}

/** Of a normal logical unit. */
export function unitDescriptor(unit: ScsiUnit): Uint8Array {
  const made = descriptor(DescriptorIdn.UNIT, UNIT_DESCRIPTOR_BYTES);
  made[0x02] = unit.lun;
  made[0x03] = 0x01; // enabled
  made[0x05] = unit.readOnly ? 0x02 : 0x00; // write protected for good
  made[0x06] = LU_QUEUE_DEPTH;
  made[0x0a] = Math.log2(LOGICAL_BLOCK_BYTES);
  writeU64Be(made, 0x0b, unit.blockCount);
  writeU32Be(made, 0x13, 1); // erase block, in logical blocks
  made[0x17] = 0x03; // thin provisioned, unmapped blocks read as zeroes
  writeU64Be(made, 0x18, unit.blockCount);
  return made;
}

/** Of the RPMB well-known logical unit, which has no region. */
export function rpmbUnitDescriptor(): Uint8Array {
  const made = descriptor(DescriptorIdn.UNIT, 0x23);
  made[0x02] = WellKnownLun.RPMB;
  made[0x06] = LU_QUEUE_DEPTH;
  made[0x0a] = 0x08; // blocks of 256 bytes
  return made;
}

/** One of four: eight logical units each. */
export function configurationDescriptor(units: ReadonlyMap<number, ScsiUnit>, index: number): Uint8Array {
  const made = descriptor(DescriptorIdn.CONFIGURATION, 0x16 + 8 * 0x1a);
  made[0x04] = 0x01; // descriptors may be read before initialisation
  made[0x05] = 0x01; // active after power-on
  made[0x06] = 0x7f;
  for (let entry = 0; entry < 8; entry++) {
    const unit = units.get(8 * index + entry);
    if (unit !== undefined && !unit.isWellKnown) putUnitConfiguration(made, 0x16 + entry * 0x1a, unit);
  }
  return made;
}

function putUnitConfiguration(made: Uint8Array, at: number, unit: ScsiUnit): void {
  made[at] = 0x01;
  made[at + 2] = unit.readOnly ? 0x02 : 0x00;
  writeU32Be(made, at + 4, Math.ceil((unit.blockCount * LOGICAL_BLOCK_BYTES) / 512 / SEGMENT_SECTORS));
  made[at + 9] = Math.log2(LOGICAL_BLOCK_BYTES);
  made[at + 10] = 0x03;
}

/** UniPro 1.8, M-PHY 4.1. */
export function interconnectDescriptor(): Uint8Array {
  const made = descriptor(DescriptorIdn.INTERCONNECT, 0x06);
  writeU16Be(made, 0x02, 0x0180);
  writeU16Be(made, 0x04, 0x0410);
  return made;
}

/** Sixteen current levels each of VCC, VCCQ and VCCQ2: all are 100 mA. */
export function powerDescriptor(): Uint8Array {
  const made = descriptor(DescriptorIdn.POWER, 0x62);
  for (let at = 2; at < made.length; at += 2) writeU16Be(made, at, (2 << 14) | 100);
  return made;
}

/** A device in good health: 0 to 10 % of its life used. */
export function healthDescriptor(): Uint8Array {
  const made = descriptor(DescriptorIdn.HEALTH, 0x25);
  made.fill(0x01, 0x02, 0x05);
  return made;
}

/** A string, in UTF-16 big-endian; undefined: no string has this index. */
export function stringDescriptor(identity: DeviceIdentity, index: number): Uint8Array | undefined {
  const texts: Readonly<Record<number, string>> = {
    [StringIndex.MANUFACTURER]: identity.manufacturer,
    [StringIndex.PRODUCT]: identity.product,
    [StringIndex.SERIAL]: identity.serial,
    [StringIndex.OEM_ID]: identity.manufacturer,
    [StringIndex.REVISION]: identity.revision,
  };
  const text = texts[index];
  if (text === undefined) return undefined;
  const made = descriptor(DescriptorIdn.STRING, 2 + 2 * text.length);
  for (let at = 0; at < text.length; at++) writeU16Be(made, 2 + 2 * at, text.charCodeAt(at));
  return made;
}
