import { BlkError, type BlockLayer } from "@inlinecrypt/blk-core";
import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import {
  type ControllerCryptoOptions,
  type FaultRule,
  type LogicalUnitOptions,
  type Medium,
  MemoryMedium,
  UfsCryptoAlg,
  UfsCryptoKeySize,
  type UfsHostControllerOptions,
} from "./controller/index.js";
import type { UfsVariant } from "./driver/index.js";
import { LOGICAL_BLOCK_BYTES } from "./ufshci/index.js";

const OP = "ufs";
const MIN_DATA_UNIT_BYTES = 512;
const MAX_DATA_UNIT_BYTES = 65536;
const MAX_KEYSLOTS = 32;
const MAX_UNITS = 8;

/** A logical unit of a UFS disk: `bytes` of memory, or whatever else keeps blocks. */
export interface UfsUnitOptions {
  /** Size of a medium in memory, a multiple of 4096. Not together with `backing`. */
  bytes?: number;
  /** Where the blocks are kept. Not together with `bytes`. */
  backing?: Medium;
  /** @default false */
  readOnly?: boolean;
}

/** How a UFS disk is made. One logical unit is described here, several in `logicalUnits`. */
export interface UfsDiskOptions extends UfsUnitOptions {
  layer: BlockLayer;
  /** Computes what the crypto engine en- and decrypts. Without it the controller has no crypto engine. */
  engine?: SkcipherEngine;
  /** 1 to 8 logical units, each a disk; instead of `bytes`, `backing` and `readOnly`. */
  logicalUnits?: readonly UfsUnitOptions[];
  /**
   * Keyslots of the crypto engine, 1 to 32, shared by all logical units.
   *
   * @default 8
   */
  keyslots?: number;
  /**
   * Data unit sizes the crypto engine takes, bytes: powers of two from 512 to 65536.
   *
   * @default all of them
   */
  dataUnitSizes?: readonly number[];
  /**
   * Commands the controller takes at a time, 2 to 32; the driver keeps one for itself.
   *
   * @default 32
   */
  transferRequests?: number;
  /**
   * As it appears in messages, and before the names of the disks.
   *
   * @default "ufs0"
   */
  name?: string;
  /**
   * Milliseconds a command may take before it is aborted.
   *
   * @default 30000
   */
  commandTimeoutMs?: number;
  /**
   * Milliseconds without I/O after which link and device sleep; null: never by themselves.
   *
   * @default null
   */
  autosuspendMs?: number | null;
  /**
   * The engine loses its keys whenever the link hibernates.
   *
   * @default false
   */
  hibernateClearsKeys?: boolean;
  /** What goes wrong; more may be added later through `controller.faults`. */
  faults?: readonly FaultRule[];
  /**
   * Which make of controller it is. One that takes keys in the PRDT has neither keyslots nor a choice of data unit sizes.
   *
   * @default ufshciVariant
   */
  variant?: UfsVariant;
}

/** The logical units asked for. @throws BlkError EINVAL, ENOMEM. */
export function logicalUnitsOf(options: UfsDiskOptions): LogicalUnitOptions[] {
  const { logicalUnits, bytes, backing, readOnly } = options;
  if (logicalUnits === undefined) return [unitOf("the disk", options)];
  if (bytes !== undefined || backing !== undefined || readOnly !== undefined) {
    refuse("bytes, backing and readOnly are given beside logicalUnits, expected them in its elements");
  }
  if (logicalUnits.length < 1 || logicalUnits.length > MAX_UNITS) {
    refuse(`${logicalUnits.length} logical units, expected 1 to ${MAX_UNITS}`);
  }
  return logicalUnits.map((unit, index) => unitOf(`logical unit ${index}`, unit));
}

/** The crypto engine asked for, of the kind that the variant drives; empty: none. @throws BlkError EINVAL. */
export function cryptoOf(options: UfsDiskOptions): Pick<UfsHostControllerOptions, "crypto" | "keysInPrdt"> {
  const { engine, variant } = options;
  const ofSlots = keyslotCryptoOf(options);
  const isOfSlots = Object.keys(ofSlots).length > 0;
  if (isOfSlots && engine === undefined) refuse("keyslots or dataUnitSizes are given without an engine");
  if (engine === undefined) return {};
  if (variant?.keysInPrdt === undefined) return { crypto: { engine, ...ofSlots } };
  if (!isOfSlots) return { keysInPrdt: { engine } };
  return refuse(`keyslots or dataUnitSizes are given for variant ${variant.name}, which takes keys in the PRDT`);
}

/** @throws BlkError EINVAL naming what is out of range. */
export function checkCount(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  refuse(`${name} is ${value}, expected ${min} to ${max}`);
}

function keyslotCryptoOf({ keyslots, dataUnitSizes }: UfsDiskOptions): Omit<ControllerCryptoOptions, "engine"> {
  if (keyslots !== undefined) checkCount("keyslots", keyslots, 1, MAX_KEYSLOTS);
  return {
    ...(keyslots !== undefined && { keyslots }),
    ...(dataUnitSizes !== undefined && { caps: [capOf(dataUnitSizes)] }),
  };
}

function unitOf(what: string, { bytes, backing, readOnly = false }: UfsUnitOptions): LogicalUnitOptions {
  if ((bytes === undefined) === (backing === undefined)) refuse(`${what} needs either bytes or a backing`);
  const mediumBytes = backing?.bytes ?? bytes!;
  if (!Number.isSafeInteger(mediumBytes) || mediumBytes <= 0 || mediumBytes % LOGICAL_BLOCK_BYTES !== 0) {
    refuse(`${what} has ${mediumBytes} bytes, expected a multiple of ${LOGICAL_BLOCK_BYTES}, and not 0`);
  }
  return { medium: backing ?? newMemory(what, mediumBytes), readOnly };
}

function newMemory(what: string, bytes: number): MemoryMedium {
  try {
    return new MemoryMedium(bytes);
  } catch (cause) {
    const message = `${what} has ${bytes} bytes, more than this process can have in memory; give it a backing`;
    throw new BlkError("ENOMEM", OP, message, { cause });
  }
}

function capOf(dataUnitSizes: readonly number[]): NonNullable<ControllerCryptoOptions["caps"]>[number] {
  let mask = 0;
  for (const bytes of dataUnitSizes) {
    const isPowerOfTwo = Number.isInteger(bytes) && (bytes & (bytes - 1)) === 0;
    if (!isPowerOfTwo || bytes < MIN_DATA_UNIT_BYTES || bytes > MAX_DATA_UNIT_BYTES) {
      refuse(
        `a data unit size is ${bytes}, expected powers of two from ${MIN_DATA_UNIT_BYTES} to ${MAX_DATA_UNIT_BYTES}`,
      );
    }
    mask |= bytes / MIN_DATA_UNIT_BYTES;
  }
  if (mask === 0) refuse("dataUnitSizes is empty, expected at least one size");
  return { algorithm: UfsCryptoAlg.AES_XTS, keySize: UfsCryptoKeySize.BITS_256, dataUnitSizeMask: mask };
}

function refuse(message: string): never {
  throw new BlkError("EINVAL", OP, message);
}
