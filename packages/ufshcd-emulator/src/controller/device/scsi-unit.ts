import { LOGICAL_BLOCK_BYTES, PeripheralType, Sense, WellKnownLun } from "../../ufshci/index.js";
import type { Medium } from "../medium.js";

/** A logical unit of the device. */
export interface LogicalUnitOptions {
  readonly medium: Medium;
  /**
   * Writes are refused.
   *
   * @default false
   */
  readonly readOnly?: boolean;
}

/** One logical unit, normal or well-known, as SCSI sees it. */
export class ScsiUnit {
  /** UFS number: 0 to 7, or a `WellKnownLun`. */
  readonly lun: number;
  readonly medium: Medium | null;
  readonly blockCount: number;
  readonly readOnly: boolean;
  /** A `Sense` that the next command is told of; NO_SENSE when there is none. */
  unitAttention: Sense = Sense.POWER_ON_OR_RESET;
  /** Cleared by START STOP UNIT. */
  started = true;

  constructor(lun: number, options: LogicalUnitOptions | null) {
    this.lun = lun;
    this.medium = options?.medium ?? null;
    this.blockCount = Math.floor((options?.medium.bytes ?? 0) / LOGICAL_BLOCK_BYTES);
    this.readOnly = options?.readOnly ?? false;
  }

  get isWellKnown(): boolean {
    return this.medium === null;
  }

  /** A `PeripheralType`. */
  get peripheralType(): number {
    return this.isWellKnown ? PeripheralType.WELL_KNOWN_LUN : PeripheralType.DISK;
  }

  /** After a reset: `attention` tells which. */
  reset(attention: Sense): void {
    this.unitAttention = attention;
    this.started = true;
  }
}

/** The units of a device: the given ones, numbered from 0, and the well-known ones. */
export function makeUnits(logicalUnits: readonly LogicalUnitOptions[]): ReadonlyMap<number, ScsiUnit> {
  const normal = logicalUnits.map((options, lun) => new ScsiUnit(lun, options));
  const wellKnown = Object.values(WellKnownLun).map((lun) => new ScsiUnit(lun, null));
  return new Map([...normal, ...wellKnown].map((unit) => [unit.lun, unit]));
}
