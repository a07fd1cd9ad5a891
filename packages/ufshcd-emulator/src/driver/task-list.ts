import { BlkError, type Executor } from "@inlinecrypt/blk-core";
import {
  buildUtmrd,
  type Mmio,
  newUtmrd,
  Ocs,
  Reg,
  UpiuTransaction,
  UTMRD_BYTES,
  UTMRD_OCS_AT,
  utmrdServiceResponse,
} from "../ufshci/index.js";
import { Completion } from "./completion.js";
import type { CoherentBuffer, HostMemory } from "./host-memory.js";

/** @kernel drivers/ufs/core/ufshcd.c: TM_CMD_TIMEOUT */
const TASK_TIMEOUT_MS = 100;
const LIST_ALIGN = 1024;
const FIRST_SLOT = 1;

/**
 * Task management: aborts and resets, which the device takes past the commands it works on. One at a time, in the first
 * slot of the list: only the error handler uses it.
 *
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_issue_tm_cmd
 */
export class TaskRequestList {
  readonly #mmio: Mmio;
  readonly #done: Completion;
  readonly #list: CoherentBuffer;
  readonly #utmrd = newUtmrd();

  constructor(mmio: Mmio, executor: Executor, memory: HostMemory, slotCount: number) {
    this.#mmio = mmio;
    this.#done = new Completion(executor);
    this.#list = memory.allocCoherent(slotCount * UTMRD_BYTES, LIST_ALIGN);
  }

  /** Bus address of the list. */
  get address(): number {
    return this.#list.address;
  }

  /** @context interrupt. @kernel drivers/ufs/core/ufshcd.c: ufshcd_tmc_handler */
  interrupt(): void {
    if ((this.#mmio.read32(Reg.UTMRLDBR) & FIRST_SLOT) === 0) this.#done.complete();
  }

  /**
   * Has the device do `func` (a `TaskFunction`) about logical unit `lun` and, where it is about one, task `taskTag`.
   * Returns its service response.
   *
   * @throws BlkError ETIMEDOUT, EIO.
   */
  async execute(func: number, lun: number, taskTag: number): Promise<number> {
    this.#compose(func, lun, taskTag);
    this.#done.reset();
    this.#mmio.write32(Reg.UTMRLDBR, FIRST_SLOT);
    if (!(await this.#done.wait(TASK_TIMEOUT_MS))) {
      this.#mmio.write32(Reg.UTMRLCLR, ~FIRST_SLOT >>> 0);
      throw new BlkError("ETIMEDOUT", "ufshcd_issue_tm_cmd", `task management function ${func} did not end`);
    }
    const ocs = this.#list.bytes[UTMRD_OCS_AT]! & 0xf;
    if (ocs !== Ocs.SUCCESS) {
      throw new BlkError("EIO", "ufshcd_issue_tm_cmd", `task management function ${func} failed with OCS ${ocs}`);
    }
    return utmrdServiceResponse(this.#list.bytes, 0);
  }

  #compose(func: number, lun: number, taskTag: number): void {
    const utmrd = this.#utmrd;
    utmrd.interrupt = true;
    utmrd.ocs = Ocs.INVALID_COMMAND_STATUS;
    utmrd.request.transaction = UpiuTransaction.TASK_REQ;
    utmrd.request.lun = lun;
    utmrd.request.func = func;
    utmrd.lun = lun;
    utmrd.taskTag = taskTag;
    buildUtmrd(this.#list.bytes, 0, utmrd);
  }
}
