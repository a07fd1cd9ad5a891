import { DescriptorIdn, readU16Be, readU32Be, WellKnownLun } from "../ufshci/index.js";
import type { ReservedSlot } from "./reserved-slot.js";
import { reportLunsCdb } from "./scsi-cdb.js";
import { readDiskInfo } from "./scsi-disk-info.js";
import type { UfsHba } from "./ufs-hba.js";
import { UfsLun } from "./ufs-lun.js";

/** Of the device descriptor and of a unit descriptor, what is read here and a little more. */
const DEVICE_DESCRIPTOR_BYTES = 0x59;
const UNIT_DESCRIPTOR_BYTES = 0x2d;
/** Normal units a UFS device may have, and the list's header. */
const REPORT_LUNS_BYTES = 8 + 32 * 8;

/** Fields of the descriptors. @kernel include/ufs/ufs.h: enum device_desc_param, enum unit_desc_param */
const NUMBER_OF_UNITS = 0x06;
const UNIT_ENABLE = 0x03;

/**
 * Finds the disks of a device.
 *
 * @throws BlkError EIO, ETIMEDOUT, ENODEV.
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_device_params_init; drivers/scsi/scsi_scan.c: scsi_scan_host_selected
 */
export async function scanHost(hba: UfsHba): Promise<UfsLun[]> {
  const { reserved } = hba;
  const device = await reserved.readDescriptor(DescriptorIdn.DEVICE, 0, DEVICE_DESCRIPTOR_BYTES);
  const luns: UfsLun[] = [];
  for (const number of await reportedUnits(reserved, device[NUMBER_OF_UNITS]!)) {
    const unit = await reserved.readDescriptor(DescriptorIdn.UNIT, number, UNIT_DESCRIPTOR_BYTES);
    if (unit[UNIT_ENABLE] === 0) continue;
    const info = await readDiskInfo(reserved, number);
    if (info !== null) luns.push(new UfsLun(hba, number, info));
  }
  return luns;
}

/** @kernel drivers/scsi/scsi_scan.c: scsi_report_lun_scan */
async function reportedUnits(reserved: ReservedSlot, expected: number): Promise<number[]> {
  const list = await reserved.scsi(WellKnownLun.REPORT_LUNS, reportLunsCdb(REPORT_LUNS_BYTES), REPORT_LUNS_BYTES);
  const count = Math.min(readU32Be(list, 0) / 8, (list.length - 8) / 8, expected);
  return Array.from({ length: count }, (_, index) => readU16Be(list, 8 + 8 * index)).sort((a, b) => a - b);
}
