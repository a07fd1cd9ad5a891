import { SAI_READ_CAPACITY_16, ScsiOp, writeU16Be, writeU32Be, writeU64Be } from "../ufshci/index.js";

/** Bit 3 of byte 1 of READ and WRITE: past the volatile cache. */
const FUA = 0x08;
/** First block and count beyond which READ (10) and WRITE (10) do not reach. */
const MAX_BLOCK_10 = 0xffff_ffff;
const MAX_COUNT_10 = 0xffff;

/** Bytes of UNMAP's parameter list with one block descriptor. */
export const UNMAP_PARAMETER_BYTES = 24;

/** READ or WRITE, of 10 bytes where they reach, else of 16. `cdb` has 16 bytes. @kernel drivers/scsi/sd.c: sd_setup_rw10_cmnd */
export function buildReadWriteCdb(cdb: Uint8Array, write: boolean, block: number, count: number, fua: boolean): void {
  cdb.fill(0);
  if (fua) cdb[1] = FUA;
  if (block > MAX_BLOCK_10 || count > MAX_COUNT_10) {
    cdb[0] = write ? ScsiOp.WRITE_16 : ScsiOp.READ_16;
    writeU64Be(cdb, 2, block);
    writeU32Be(cdb, 10, count);
  } else {
    cdb[0] = write ? ScsiOp.WRITE_10 : ScsiOp.READ_10;
    writeU32Be(cdb, 2, block);
    writeU16Be(cdb, 7, count);
  }
}

/** SYNCHRONIZE CACHE, of everything. @kernel drivers/scsi/sd.c: sd_setup_flush_cmnd */
export function buildSynchronizeCacheCdb(cdb: Uint8Array): void {
  cdb.fill(0);
  cdb[0] = ScsiOp.SYNCHRONIZE_CACHE_10;
}

/** UNMAP of one range; `parameters` gets the list. @kernel drivers/scsi/sd.c: sd_setup_unmap_cmnd */
export function buildUnmap(cdb: Uint8Array, parameters: Uint8Array, at: number, block: number, count: number): void {
  cdb.fill(0);
  cdb[0] = ScsiOp.UNMAP;
  writeU16Be(cdb, 7, UNMAP_PARAMETER_BYTES);
  parameters.fill(0, at, at + UNMAP_PARAMETER_BYTES);
  writeU16Be(parameters, at, UNMAP_PARAMETER_BYTES - 2);
  writeU16Be(parameters, at + 2, 16);
  writeU64Be(parameters, at + 8, block);
  writeU32Be(parameters, at + 16, count);
}

/** INQUIRY: standard data, or page `vpdPage` of vital product data. */
export function inquiryCdb(bytes: number, vpdPage?: number): Uint8Array {
  const cdb = new Uint8Array(6);
  cdb[0] = ScsiOp.INQUIRY;
  if (vpdPage !== undefined) {
    cdb[1] = 1;
    cdb[2] = vpdPage;
  }
  writeU16Be(cdb, 3, bytes);
  return cdb;
}

/** REPORT LUNS, all but the well-known ones. */
export function reportLunsCdb(bytes: number): Uint8Array {
  const cdb = new Uint8Array(12);
  cdb[0] = ScsiOp.REPORT_LUNS;
  writeU32Be(cdb, 6, bytes);
  return cdb;
}

/** READ CAPACITY (16). */
export function readCapacity16Cdb(bytes: number): Uint8Array {
  const cdb = new Uint8Array(16);
  cdb[0] = ScsiOp.SERVICE_ACTION_IN_16;
  cdb[1] = SAI_READ_CAPACITY_16;
  writeU32Be(cdb, 10, bytes);
  return cdb;
}

/** MODE SENSE (10) of the caching page, without block descriptors. */
export function modeSenseCachingCdb(bytes: number): Uint8Array {
  const cdb = new Uint8Array(10);
  cdb[0] = ScsiOp.MODE_SENSE_10;
  cdb[1] = 0x08;
  cdb[2] = 0x08;
  writeU16Be(cdb, 7, bytes);
  return cdb;
}

/** TEST UNIT READY. */
export function testUnitReadyCdb(): Uint8Array {
  return new Uint8Array(6);
}

/** START STOP UNIT with a power condition: 1 active, 2 sleep, 3 power-down. */
export function startStopCdb(powerCondition: number): Uint8Array {
  const cdb = new Uint8Array(6);
  cdb[0] = ScsiOp.START_STOP;
  cdb[4] = powerCondition << 4;
  return cdb;
}
