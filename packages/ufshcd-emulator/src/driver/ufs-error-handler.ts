import { BlkBug, type BlkRequest, EhAction } from "@inlinecrypt/blk-core";
import { TaskFunction, TaskResponse } from "../ufshci/index.js";
import { sleep } from "./completion.js";
import { deviceInit, hbaEnable, hbaStop } from "./controller-start.js";
import type { Lrb } from "./lrb.js";
import type { UfsHba } from "./ufs-hba.js";

/** @kernel drivers/ufs/core/ufshcd.c: MAX_HOST_RESET_RETRIES */
const RESET_TRIES = 5;
/** Looks at a task that the device does not know (any more). @kernel drivers/ufs/core/ufshcd.c: ufshcd_try_to_abort_task */
const QUERY_TASK_TRIES = 10;
const QUERY_TASK_INTERVAL_MS = 10;

/** A command that took too long, until the error handler gets to it. */
interface Overdue {
  readonly rq: BlkRequest;
  readonly generation: number;
  readonly lrb: Lrb;
}

/**
 * Gets commands back that do not end: by aborting the one, by resetting its logical unit, by resetting the host. One
 * recovery at a time.
 *
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_abort, ufshcd_eh_device_reset_handler, ufshcd_err_handler
 */
export class UfsErrorHandler {
  readonly #hba: UfsHba;
  readonly #overdue: Overdue[] = [];
  /** Why the host is to be reset; null: it is not. */
  #resetReason: string | null = null;
  #running: Promise<void> | null = null;

  constructor(hba: UfsHba) {
    this.#hba = hba;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** Resolves when all recovery has ended. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  /** A request has been with the device for too long. @kernel drivers/scsi/scsi_error.c: scsi_timeout */
  timedOut(rq: BlkRequest): EhAction {
    this.#overdue.push({ rq, generation: rq.generation, lrb: this.#hba.transfers.lrbs[rq.tag]! });
    this.#start();
    return EhAction.DONE;
  }

  /** Has the host reset. @context interrupt. @kernel drivers/ufs/core/ufshcd.c: ufshcd_schedule_eh_work */
  scheduleReset(reason: string): void {
    const hba = this.#hba;
    if (hba.state === "closed" || hba.state === "failed") return;
    // While the controller starts, its commands have to fail for the start to be tried again.
    if (hba.state === "resetting") return hba.reserved.cutShort();
    this.#resetReason = reason;
    hba.state = "resetting";
    this.#start();
  }

  #start(): void {
    if (this.#running !== null) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  async #run(): Promise<void> {
    const { pm } = this.#hba;
    pm.hold();
    try {
      while (this.#resetReason !== null || this.#overdue.length > 0) {
        if (this.#resetReason !== null) await this.#resetAndRestore(this.#resetReason);
        else await this.#recover(this.#overdue.shift()!);
      }
    } finally {
      pm.release();
    }
  }

  async #recover(overdue: Overdue): Promise<void> {
    const hba = this.#hba;
    // The interrupt may have been lost, not the completion.
    hba.completeTransfers();
    if (!this.#isStuck(overdue)) return;
    const { lrb } = overdue;
    const { lun } = lrb.header;
    this.#trace("ufshcd_abort", `tag ${lrb.slot} of unit ${lun} took too long`);
    if (await this.#tryTo(() => this.#abortTask(overdue))) return;
    if (await this.#tryTo(() => this.#resetUnit(lun))) return;
    this.scheduleReset("a command could not be aborted");
  }

  #isStuck({ rq, generation, lrb }: Overdue): boolean {
    return lrb.rq === rq && rq.generation === generation && this.#hba.transfers.isOutstanding(lrb.slot);
  }

  /** True when the command is over, one way or the other. @kernel drivers/ufs/core/ufshcd.c: ufshcd_try_to_abort_task */
  async #abortTask(overdue: Overdue): Promise<boolean> {
    const hba = this.#hba;
    const { lrb } = overdue;
    const { lun } = lrb.header;
    for (let tries = 0; ; tries++) {
      const response = await hba.tasks.execute(TaskFunction.QUERY_TASK, lun, lrb.slot);
      if (response === TaskResponse.FUNC_SUCCEEDED) break;
      if (response !== TaskResponse.FUNC_COMPL) return false;
      // The device is done with it: the answer may be on its way.
      hba.completeTransfers();
      if (!this.#isStuck(overdue)) return true;
      if (tries === QUERY_TASK_TRIES) return false;
      await sleep(hba.layer.executor, QUERY_TASK_INTERVAL_MS);
    }
    const response = await hba.tasks.execute(TaskFunction.ABORT_TASK, lun, lrb.slot);
    if (response !== TaskResponse.FUNC_COMPL) return false;
    return this.#takeBack(lrb.slot);
  }

  /** @kernel drivers/ufs/core/ufshcd.c: ufshcd_eh_device_reset_handler */
  async #resetUnit(lun: number): Promise<boolean> {
    const { tasks, transfers } = this.#hba;
    this.#trace("ufshcd_eh_device_reset_handler", `unit ${lun} is reset`);
    const response = await tasks.execute(TaskFunction.LOGICAL_UNIT_RESET, lun, 0);
    if (response !== TaskResponse.FUNC_COMPL) return false;
    for (const { slot, rq, header } of transfers.lrbs) {
      if (rq === null || header.lun !== lun || !transfers.isOutstanding(slot)) continue;
      if (!(await this.#takeBack(slot))) return false;
    }
    return true;
  }

  async #takeBack(slot: number): Promise<boolean> {
    if (!this.#hba.transfers.isOutstanding(slot)) return true;
    if (!(await this.#hba.transfers.clear(slot))) return false;
    this.#hba.abandonSlot(slot);
    return true;
  }

  /** @kernel drivers/ufs/core/ufshcd.c: ufshcd_reset_and_restore */
  async #resetAndRestore(reason: string): Promise<void> {
    const hba = this.#hba;
    this.#resetReason = null;
    this.#trace("ufshcd_err_handler", reason);
    hba.state = (await this.#tryToRestart()) ? "operational" : "failed";
    if (hba.state === "failed") {
      this.#trace("ufshcd_err_handler", `the host did not come back from ${RESET_TRIES} resets`);
      hba.abandonAll();
    }
    hba.runQueues();
  }

  async #tryToRestart(): Promise<boolean> {
    for (let tries = 0; tries < RESET_TRIES; tries++) {
      if (await this.#tryTo(() => this.restart())) return true;
    }
    return false;
  }

  /**
   * Stops the controller, takes all commands back, and starts controller and device anew, keys included.
   *
   * @throws BlkError as a start does.
   * @kernel drivers/ufs/core/ufshcd.c: ufshcd_host_reset_and_restore
   */
  async restart(): Promise<true> {
    const hba = this.#hba;
    hba.completeTransfers();
    hba.disableInterrupts();
    await hbaStop(hba);
    hba.abandonAll();
    await hbaEnable(hba);
    await deviceInit(hba);
    return true;
  }

  async #tryTo(recovery: () => Promise<boolean>): Promise<boolean> {
    try {
      return await recovery();
    } catch (error) {
      if (error instanceof BlkBug) throw error;
      this.#trace("ufshcd_err_handler", (error as Error).message);
      return false;
    }
  }

  #trace(event: string, what: string): void {
    this.#hba.layer.tracer?.trace(event, { host: this.#hba.name, what });
  }
}
