import { AttributeIdn, ScsiOp, Sense, WellKnownLun } from "../../ufshci/index.js";
import type { ControllerClock } from "../clock.js";
import { completeIdentity, type DeviceIdentity } from "./device-identity.js";
import { DeviceQuery } from "./query.js";
import * as block from "./scsi-block.js";
import { reportLuns, requestSense, startStopUnit } from "./scsi-control.js";
import { inquiry, inquiryNoUnit } from "./scsi-inquiry.js";
import { modeSense } from "./scsi-mode-sense.js";
import { type ScsiTask, TaskPhase } from "./scsi-task.js";
import { type LogicalUnitOptions, makeUnits, type ScsiUnit } from "./scsi-unit.js";

const ACTIVE = 0x11;

/** Commands that work whatever state the unit is in, and leave a unit attention for the next one. */
const ALWAYS: readonly number[] = [ScsiOp.INQUIRY, ScsiOp.REPORT_LUNS, ScsiOp.REQUEST_SENSE];

/** The UFS device behind a controller: logical units, and what can be asked about them. */
export class UfsDevice {
  readonly query: DeviceQuery;
  /** Whether the link to it is hibernating, so that nothing can be sent. */
  isHibernating = false;
  readonly #units: ReadonlyMap<number, ScsiUnit>;
  readonly #identity: DeviceIdentity;

  constructor(logicalUnits: readonly LogicalUnitOptions[], identity: Partial<DeviceIdentity>, clock: ControllerClock) {
    this.#units = makeUnits(logicalUnits);
    this.#identity = completeIdentity(identity);
    this.query = new DeviceQuery(this.#units, this.#identity, clock);
  }

  /** Whether there is a logical unit of this UFS number. */
  hasUnit(lun: number): boolean {
    return this.#units.has(lun);
  }

  /** Begins a command: `task` then says what the device wants done. */
  command(task: ScsiTask): void {
    const unit = this.#units.get(task.lun);
    if (unit === undefined) return this.#noUnit(task);
    if (ALWAYS.includes(task.opcode)) return this.#always(task, unit);
    if (unit.unitAttention !== Sense.NO_SENSE) {
      task.fail(unit.unitAttention);
      unit.unitAttention = Sense.NO_SENSE;
    } else if (!this.#isReady(unit) && task.opcode !== ScsiOp.START_STOP) {
      task.fail(Sense.NOT_READY_INIT_REQUIRED);
    } else this.#whenReady(task, unit);
  }

  /**
   * Goes on with a command whose parameter list has come, or one of whose discards has ended.
   *
   * @param step - how many discards have ended
   */
  proceed(task: ScsiTask, step: number): void {
    block.unmapDescriptor(task, this.#units.get(task.lun)!, step);
  }

  /** The medium failed in the task's phase. */
  mediumFailed(task: ScsiTask): void {
    task.fail(task.phase === TaskPhase.READ ? Sense.UNRECOVERED_READ_ERROR : Sense.WRITE_ERROR);
  }

  /** Power-on, or a reset of the whole device. */
  reset(): void {
    this.isHibernating = false;
    this.query.reset();
    for (const unit of this.#units.values()) unit.reset(Sense.POWER_ON_OR_RESET);
  }

  /** LOGICAL UNIT RESET. */
  resetUnit(lun: number): void {
    this.#units.get(lun)?.reset(Sense.BUS_DEVICE_RESET);
  }

  #isReady(unit: ScsiUnit): boolean {
    return unit.started && this.query.attributes.get(AttributeIdn.POWER_MODE) === ACTIVE;
  }

  #noUnit(task: ScsiTask): void {
    if (task.opcode === ScsiOp.INQUIRY) inquiryNoUnit(task);
    else task.fail(Sense.LOGICAL_UNIT_NOT_SUPPORTED);
  }

  #always(task: ScsiTask, unit: ScsiUnit): void {
    if (task.opcode === ScsiOp.INQUIRY) inquiry(task, unit, this.#identity);
    else if (task.opcode === ScsiOp.REQUEST_SENSE) requestSense(task, unit);
    else if (!unit.isWellKnown || unit.lun === WellKnownLun.REPORT_LUNS) reportLuns(task, this.#units);
    else task.fail(Sense.INVALID_COMMAND_OPERATION_CODE);
  }

  #whenReady(task: ScsiTask, unit: ScsiUnit): void {
    if (task.opcode === ScsiOp.TEST_UNIT_READY) return task.good();
    if (task.opcode === ScsiOp.START_STOP) return this.#startStop(task, unit);
    if (unit.isWellKnown) return task.fail(Sense.INVALID_COMMAND_OPERATION_CODE);
    blockCommand(task, unit);
  }

  #startStop(task: ScsiTask, unit: ScsiUnit): void {
    if (unit.isWellKnown && unit.lun !== WellKnownLun.UFS_DEVICE)
      return task.fail(Sense.INVALID_COMMAND_OPERATION_CODE);
    const mode = startStopUnit(task, unit);
    if (mode !== undefined) this.query.attributes.set(AttributeIdn.POWER_MODE, mode);
  }
}

function blockCommand(task: ScsiTask, unit: ScsiUnit): void {
  switch (task.opcode) {
    case ScsiOp.READ_6:
    case ScsiOp.READ_10:
    case ScsiOp.READ_16:
      return block.readWrite(task, unit, false);
    case ScsiOp.WRITE_6:
    case ScsiOp.WRITE_10:
    case ScsiOp.WRITE_16:
      return block.readWrite(task, unit, true);
    case ScsiOp.SYNCHRONIZE_CACHE_10:
    case ScsiOp.SYNCHRONIZE_CACHE_16:
      return block.synchronizeCache(task, unit);
    case ScsiOp.READ_CAPACITY_10:
      return block.readCapacity10(task, unit);
    case ScsiOp.SERVICE_ACTION_IN_16:
      return block.serviceActionIn16(task, unit);
    case ScsiOp.UNMAP:
      return block.unmap(task, unit);
    case ScsiOp.MODE_SENSE_6:
    case ScsiOp.MODE_SENSE_10:
      return modeSense(task, unit);
    default:
      return task.fail(Sense.INVALID_COMMAND_OPERATION_CODE);
  }
}
