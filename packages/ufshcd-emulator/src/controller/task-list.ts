import {
  buildUtmrdResponse,
  Hcs,
  Is,
  newUtmrd,
  Ocs,
  parseUtmrd,
  Reg,
  TaskFunction,
  TaskResponse,
  UpiuTransaction,
  UTMRD_BYTES,
  type Utmrd,
} from "../ufshci/index.js";
import type { UfsDevice } from "./device/ufs-device.js";
import type { HostCore } from "./host-core.js";
import type { TransferList } from "./transfer-list.js";

/** The task-management request list: aborts, resets and questions about the tasks in the device. */
export class TaskList {
  readonly #core: HostCore;
  readonly #device: UfsDevice;
  readonly #transfers: TransferList;
  readonly #listEntries: number;
  /** By list entry: the answer, which waits for the medium. */
  readonly #answers: (Uint8Array | null)[];

  constructor(core: HostCore, device: UfsDevice, transfers: TransferList, listEntries: number) {
    this.#core = core;
    this.#device = device;
    this.#transfers = transfers;
    this.#listEntries = listEntries;
    this.#answers = new Array<Uint8Array | null>(listEntries).fill(null);
  }

  /** Software writes UTMRLDBR: starts the requests whose bits are new. */
  ring(bits: number): void {
    const { registers, isHalted } = this.#core;
    const ready = (registers.get(Reg.HCS) & Hcs.UTMRLRDY) !== 0 && (registers.get(Reg.UTMRLRSR) & 1) !== 0;
    if (!ready || isHalted) return;
    const rung = bits & ((1 << this.#listEntries) - 1) & ~registers.get(Reg.UTMRLDBR);
    registers.setBits(Reg.UTMRLDBR, rung);
    for (let index = 0; index < this.#listEntries; index++) {
      if ((rung & (1 << index)) !== 0) this.#core.defer(() => this.#run(index));
    }
  }

  /** Software writes UTMRLCLR: requests whose bits are 0 are forgotten. */
  clear(kept: number): void {
    this.#core.registers.clearBits(Reg.UTMRLDBR, ~kept);
    for (let index = 0; index < this.#listEntries; index++) if (!this.#isRung(index)) this.#answers[index] = null;
  }

  /** A host reset: every request is forgotten. */
  reset(): void {
    this.#answers.fill(null);
  }

  /** Sends what waits, if it need not wait any more: what was aborted has ended only when the medium has let go of it. */
  sendAnswers(): void {
    if (!this.#transfers.isQuiet) return;
    for (let index = 0; index < this.#listEntries; index++) {
      const answer = this.#answers[index];
      if (answer !== null && answer !== undefined && !this.#core.isHalted) this.#send(index, answer);
    }
  }

  #isRung(index: number): boolean {
    return (this.#core.registers.get(Reg.UTMRLDBR) & (1 << index)) !== 0;
  }

  #addressOf(index: number): number {
    return this.#core.listBase(Reg.UTMRLBA) + index * UTMRD_BYTES;
  }

  #run(index: number): void {
    if (!this.#isRung(index) || this.#answers[index] !== null || this.#core.isHalted) return;
    const descriptor = new Uint8Array(UTMRD_BYTES);
    if (!this.#core.dma.read(this.#addressOf(index), descriptor)) return this.#transfers.fatal(Is.SBFES);
    const utmrd = parsed(descriptor);
    const valid = utmrd.request.transaction === UpiuTransaction.TASK_REQ;
    const response = valid ? this.#execute(utmrd) : TaskResponse.FUNC_NOT_SUPPORTED;
    const ocs = valid ? Ocs.SUCCESS : Ocs.INVALID_CMD_TABLE_ATTR;
    buildUtmrdResponse(descriptor, 0, utmrd.request, ocs, response);
    this.#answers[index] = descriptor;
    this.sendAnswers();
  }

  #send(index: number, answer: Uint8Array): void {
    this.#answers[index] = null;
    if (!this.#core.dma.write(this.#addressOf(index), answer)) return this.#transfers.fatal(Is.SBFES);
    this.#core.registers.clearBits(Reg.UTMRLDBR, 1 << index);
    const { interrupt, ocs } = parsed(answer);
    if (interrupt || ocs !== Ocs.SUCCESS) this.#core.interrupts.raise(Is.UTMRCS);
  }

  #execute(utmrd: Utmrd): TaskResponse {
    const { lun, taskTag } = utmrd;
    const { func } = utmrd.request;
    const response = this.#device.hasUnit(lun)
      ? this.#manage(func, lun, taskTag)
      : TaskResponse.INCORRECT_LOGICAL_UNIT_NO;
    if (this.#core.events.isObserved) {
      this.#core.events.emit({ type: "taskManagement", func, lun, tag: taskTag, response });
    }
    return response;
  }

  #manage(func: number, lun: number, taskTag: number): TaskResponse {
    const index = this.#transfers.findTask(lun, taskTag);
    switch (func) {
      case TaskFunction.ABORT_TASK:
        if (index >= 0) this.#transfers.abort(index);
        return TaskResponse.FUNC_COMPL;
      case TaskFunction.ABORT_TASK_SET:
      case TaskFunction.CLEAR_TASK_SET:
        this.#transfers.abortUnit(lun);
        return TaskResponse.FUNC_COMPL;
      case TaskFunction.LOGICAL_UNIT_RESET:
        this.#transfers.abortUnit(lun);
        this.#device.resetUnit(lun);
        return TaskResponse.FUNC_COMPL;
      case TaskFunction.QUERY_TASK:
        return index >= 0 ? TaskResponse.FUNC_SUCCEEDED : TaskResponse.FUNC_COMPL;
      case TaskFunction.QUERY_TASK_SET:
        return this.#transfers.hasTask(lun) ? TaskResponse.FUNC_SUCCEEDED : TaskResponse.FUNC_COMPL;
      default:
        return TaskResponse.FUNC_NOT_SUPPORTED;
    }
  }
}

function parsed(descriptor: Uint8Array): Utmrd {
  const utmrd = newUtmrd();
  parseUtmrd(descriptor, 0, utmrd);
  return utmrd;
}
