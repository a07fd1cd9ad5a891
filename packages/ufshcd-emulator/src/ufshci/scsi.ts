/** SCSI operation codes a UFS device knows. */
export const ScsiOp = {
  TEST_UNIT_READY: 0x00,
  REQUEST_SENSE: 0x03,
  READ_6: 0x08,
  WRITE_6: 0x0a,
  INQUIRY: 0x12,
  MODE_SENSE_6: 0x1a,
  START_STOP: 0x1b,
  READ_CAPACITY_10: 0x25,
  READ_10: 0x28,
  WRITE_10: 0x2a,
  SYNCHRONIZE_CACHE_10: 0x35,
  UNMAP: 0x42,
  MODE_SENSE_10: 0x5a,
  READ_16: 0x88,
  WRITE_16: 0x8a,
  SYNCHRONIZE_CACHE_16: 0x91,
  SERVICE_ACTION_IN_16: 0x9e,
  REPORT_LUNS: 0xa0,
} as const;

/** Service actions of SERVICE ACTION IN (16). */
export const SAI_READ_CAPACITY_16 = 0x10;

/** SCSI status bytes. */
export const ScsiStatus = { GOOD: 0x00, CHECK_CONDITION: 0x02, BUSY: 0x08, TASK_SET_FULL: 0x28 } as const;

/** Sense keys. */
export const SenseKey = {
  NO_SENSE: 0x0,
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  HARDWARE_ERROR: 0x4,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
  ABORTED_COMMAND: 0xb,
} as const;

/** Sense key, additional sense code and its qualifier, as one number: key << 16 | ASC << 8 | ASCQ. */
export const Sense = {
  NO_SENSE: 0x00_0000,
  /** Initializing command required. */
  NOT_READY_INIT_REQUIRED: 0x02_0402,
  WRITE_ERROR: 0x03_0c00,
  UNRECOVERED_READ_ERROR: 0x03_1100,
  INTERNAL_TARGET_FAILURE: 0x04_4400,
  INVALID_FIELD_IN_INFORMATION_UNIT: 0x05_0e03,
  PARAMETER_LIST_LENGTH_ERROR: 0x05_1a00,
  INVALID_COMMAND_OPERATION_CODE: 0x05_2000,
  LBA_OUT_OF_RANGE: 0x05_2100,
  INVALID_FIELD_IN_CDB: 0x05_2400,
  LOGICAL_UNIT_NOT_SUPPORTED: 0x05_2500,
  INVALID_FIELD_IN_PARAMETER_LIST: 0x05_2600,
  SAVING_PARAMETERS_NOT_SUPPORTED: 0x05_3900,
  POWER_ON_OR_RESET: 0x06_2900,
  BUS_DEVICE_RESET: 0x06_2903,
  WRITE_PROTECTED: 0x07_2700,
} as const;
export type Sense = (typeof Sense)[keyof typeof Sense];

/**
 * UFS numbers of the well-known logical units.
 *
 * @kernel include/ufs/ufs.h: UFS_UPIU_*_WLUN
 */
export const WellKnownLun = { REPORT_LUNS: 0x81, UFS_DEVICE: 0xd0, BOOT: 0xb0, RPMB: 0xc4 } as const;

/** Peripheral device types of INQUIRY. */
export const PeripheralType = { DISK: 0x00, WELL_KNOWN_LUN: 0x1e, UNKNOWN: 0x1f } as const;

/** Bytes of a logical block: UFS knows none smaller, and we need none larger. */
export const LOGICAL_BLOCK_BYTES = 4096;
