import { BlkError, MAX_BLOCK_BYTES, type QueueLimitsInput, SECTOR_BYTES } from "@inlinecrypt/blk-core";
import { PeripheralType, PRDT_DATA_BYTE_COUNT_MAX, readU16Be, readU32Be, readU64Be } from "../ufshci/index.js";
import type { ReservedSlot } from "./reserved-slot.js";
import { inquiryCdb, modeSenseCachingCdb, readCapacity16Cdb, testUnitReadyCdb } from "./scsi-cdb.js";
import { MAX_SEGMENTS } from "./transfer-list.js";

const INQUIRY_BYTES = 36;
const VPD_BYTES = 64;
const CAPACITY_BYTES = 32;
const MODE_SENSE_BYTES = 64;
const VPD_SUPPORTED = 0x00;
const VPD_BLOCK_LIMITS = 0xb0;
const VPD_PROVISIONING = 0xb2;
/** @kernel drivers/ufs/core/ufshcd.c: ufshcd_host_template.max_sectors, 1 MiB */
const MAX_BYTES = 1 << 20;
/** A bio has fewer than 2^32 bytes. */
const MAX_DISCARD_BYTES = 2 ** 31;
/** PRDT entries count in 4-byte words. */
const DMA_ALIGNMENT_BYTES = 4;

/** A disk, as a logical unit describes itself. */
export interface ScsiDiskInfo {
  /** Manufacturer and product. */
  readonly model: string;
  readonly blockBytes: number;
  readonly blockCount: number;
  readonly readOnly: boolean;
  readonly limits: QueueLimitsInput;
}

/**
 * Asks a logical unit what it is. Null: no disk.
 *
 * @throws BlkError EIO, ETIMEDOUT; ENODEV for a disk this driver cannot use.
 * @kernel drivers/scsi/scsi_scan.c: scsi_probe_lun; drivers/scsi/sd.c: sd_revalidate_disk
 */
export async function readDiskInfo(slot: ReservedSlot, lun: number): Promise<ScsiDiskInfo | null> {
  const inquiry = await slot.scsi(lun, inquiryCdb(INQUIRY_BYTES), INQUIRY_BYTES);
  if (inquiry[0] !== PeripheralType.DISK) return null;
  await slot.scsi(lun, testUnitReadyCdb());
  const capacity = await slot.scsi(lun, readCapacity16Cdb(CAPACITY_BYTES), CAPACITY_BYTES);
  const blockBytes = readU32Be(capacity, 8);
  checkBlockBytes(lun, blockBytes);
  const mode = parseModeSense(await slot.scsi(lun, modeSenseCachingCdb(MODE_SENSE_BYTES), MODE_SENSE_BYTES));
  const discard = await readDiscardLimits(slot, lun, blockBytes);
  return {
    model: `${text(inquiry, 8, 8)} ${text(inquiry, 16, 16)}`,
    blockBytes,
    blockCount: readU64Be(capacity, 0) + 1,
    readOnly: mode.readOnly,
    limits: { ...transferLimits(blockBytes), ...discard, writeCache: mode.writeCache, fua: mode.fua },
  };
}

function transferLimits(blockBytes: number): QueueLimitsInput {
  return {
    logicalBlockBytes: blockBytes,
    physicalBlockBytes: blockBytes,
    ioMinBytes: blockBytes,
    maxSectors: MAX_BYTES / SECTOR_BYTES,
    maxSegments: MAX_SEGMENTS,
    maxSegmentBytes: PRDT_DATA_BYTE_COUNT_MAX,
    dmaAlignmentBytes: DMA_ALIGNMENT_BYTES,
    // UNMAP is advice, and UFS has no WRITE SAME: zeroes are written as data.
    maxWriteZeroesSectors: 0,
  };
}

/** @kernel drivers/scsi/sd.c: sd_read_cache_type */
function parseModeSense(data: Uint8Array): { writeCache: boolean; fua: boolean; readOnly: boolean } {
  const deviceSpecific = data[3] ?? 0;
  const page = 8 + (data.length >= 8 ? readU16Be(data, 6) : 0);
  const writeCache = (data[page]! & 0x3f) === 0x08 && (data[page + 2]! & 0x04) !== 0;
  return { writeCache, fua: writeCache && (deviceSpecific & 0x10) !== 0, readOnly: (deviceSpecific & 0x80) !== 0 };
}

/** @kernel drivers/scsi/sd.c: sd_read_block_limits, sd_read_block_provisioning */
async function readDiscardLimits(slot: ReservedSlot, lun: number, blockBytes: number): Promise<QueueLimitsInput> {
  const readPage = (page: number): Promise<Uint8Array> => slot.scsi(lun, inquiryCdb(VPD_BYTES, page), VPD_BYTES);
  const supported = await readPage(VPD_SUPPORTED);
  const pages = supported.subarray(4, 4 + readU16Be(supported, 2));
  if (!pages.includes(VPD_BLOCK_LIMITS) || !pages.includes(VPD_PROVISIONING)) return {};
  const knowsUnmap = ((await readPage(VPD_PROVISIONING))[5]! & 0x80) !== 0;
  const limits = await readPage(VPD_BLOCK_LIMITS);
  const maxBlocks = readU32Be(limits, 20);
  const maxDescriptors = readU32Be(limits, 24);
  if (!knowsUnmap || maxBlocks === 0 || maxDescriptors === 0) return {};
  const maxBytes = Math.min(maxBlocks * blockBytes, MAX_DISCARD_BYTES);
  return {
    maxDiscardSectors: maxBytes / SECTOR_BYTES,
    discardGranularityBytes: Math.max(readU32Be(limits, 28), 1) * blockBytes,
  };
}

function checkBlockBytes(lun: number, blockBytes: number): void {
  const isPowerOfTwo = blockBytes > 0 && (blockBytes & (blockBytes - 1)) === 0;
  if (isPowerOfTwo && blockBytes >= SECTOR_BYTES && blockBytes <= MAX_BLOCK_BYTES) return;
  throw new BlkError(
    "ENODEV",
    "sd_revalidate_disk",
    `unit ${lun} has blocks of ${blockBytes} bytes, expected 512 to 65536`,
  );
}

function text(bytes: Uint8Array, at: number, count: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + count)).trim();
}
