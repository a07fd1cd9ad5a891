import { BlkError, type Executor, Mutex } from "@inlinecrypt/blk-core";
import {
  Hcs,
  Is,
  type Mmio,
  PowerModeStatus,
  Reg,
  UicCommand,
  UicResult,
  UniproAttr,
  uicMib,
} from "../ufshci/index.js";
import { Completion, pollUntil } from "./completion.js";

/** @kernel drivers/ufs/core/ufshcd.c: UIC_CMD_TIMEOUT_DEFAULT */
const UIC_TIMEOUT_MS = 500;

/** Interrupts that `UicCommands` handles. @kernel include/ufs/ufshci.h: UFSHCD_UIC_MASK */
export const UIC_INTERRUPTS: number = Is.UCCS | Is.UPMS | Is.UHES | Is.UHXS;

/**
 * Commands to the UniPro link, one at a time: start-up, attributes of both ends, hibernation, power mode.
 *
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_send_uic_cmd, ufshcd_uic_pwr_ctrl
 */
export class UicCommands {
  readonly #mmio: Mmio;
  readonly #executor: Executor;
  readonly #done: Completion;
  readonly #powerDone: Completion;
  /** Power management and error recovery may want the link at the same time. @kernel ufs_hba.uic_cmd_mutex */
  readonly #mutex = new Mutex();

  constructor(mmio: Mmio, executor: Executor) {
    this.#mmio = mmio;
    this.#executor = executor;
    this.#done = new Completion(executor);
    this.#powerDone = new Completion(executor);
  }

  /** @context interrupt. @kernel drivers/ufs/core/ufshcd.c: ufshcd_uic_cmd_compl */
  interrupt(pending: number): void {
    if ((pending & Is.UCCS) !== 0) this.#done.complete();
    if ((pending & (Is.UPMS | Is.UHES | Is.UHXS)) !== 0) this.#powerDone.complete();
  }

  /** Starts the link. @throws BlkError EIO, ETIMEDOUT. */
  async linkStartup(): Promise<void> {
    await this.#send(UicCommand.DME_LINKSTARTUP, 0, 0);
  }

  /** An attribute of this end of the link. @throws BlkError EIO, ETIMEDOUT. */
  get(attr: number): Promise<number> {
    return this.#send(UicCommand.DME_GET, uicMib(attr), 0);
  }

  /** An attribute of the device's end. @throws BlkError EIO, ETIMEDOUT. */
  peerGet(attr: number): Promise<number> {
    return this.#send(UicCommand.DME_PEER_GET, uicMib(attr), 0);
  }

  /** @throws BlkError EIO, ETIMEDOUT. */
  async set(attr: number, value: number): Promise<void> {
    await this.#send(UicCommand.DME_SET, uicMib(attr), value);
  }

  /** @throws BlkError EIO, ETIMEDOUT. @kernel drivers/ufs/core/ufshcd.c: ufshcd_uic_change_pwr_mode */
  changePowerMode(mode: number): Promise<void> {
    return this.#powerControl(UicCommand.DME_SET, uicMib(UniproAttr.PA_PWRMODE), mode);
  }

  /** Puts the link to sleep. @throws BlkError EIO, ETIMEDOUT. @kernel drivers/ufs/core/ufshcd.c: ufshcd_uic_hibern8_enter */
  hibernateEnter(): Promise<void> {
    return this.#powerControl(UicCommand.DME_HIBERNATE_ENTER, 0, 0);
  }

  /** Wakes the link. @throws BlkError EIO, ETIMEDOUT. @kernel drivers/ufs/core/ufshcd.c: ufshcd_uic_hibern8_exit */
  hibernateExit(): Promise<void> {
    return this.#powerControl(UicCommand.DME_HIBERNATE_EXIT, 0, 0);
  }

  #powerControl(command: number, arg1: number, arg3: number): Promise<void> {
    return this.#mutex.run(async () => {
      this.#powerDone.reset();
      await this.#dispatch(command, arg1, arg3);
      if (!(await this.#powerDone.wait(UIC_TIMEOUT_MS))) throw timedOut(command);
      const status = (this.#mmio.read32(Reg.HCS) & Hcs.UPMCRS_MASK) >>> Hcs.UPMCRS_LSB;
      if (status !== PowerModeStatus.LOCAL && status !== PowerModeStatus.OK) throw failed(command, "UPMCRS", status);
    });
  }

  #send(command: number, arg1: number, arg3: number): Promise<number> {
    return this.#mutex.run(() => this.#dispatch(command, arg1, arg3));
  }

  /** Sends a command and returns its third argument when it has succeeded. */
  async #dispatch(command: number, arg1: number, arg3: number): Promise<number> {
    const isReady = (): boolean => (this.#mmio.read32(Reg.HCS) & Hcs.UCRDY) !== 0;
    if (!(await pollUntil(this.#executor, isReady, 1, UIC_TIMEOUT_MS))) {
      throw new BlkError("EIO", "ufshcd_dispatch_uic_cmd", "the controller is not ready to accept UIC commands");
    }
    this.#done.reset();
    this.#mmio.write32(Reg.UCMDARG1, arg1);
    this.#mmio.write32(Reg.UCMDARG2, 0);
    this.#mmio.write32(Reg.UCMDARG3, arg3);
    this.#mmio.write32(Reg.UICCMD, command);
    if (!(await this.#done.wait(UIC_TIMEOUT_MS))) throw timedOut(command);
    const result = this.#mmio.read32(Reg.UCMDARG2) & 0xff;
    if (result !== UicResult.SUCCESS) throw failed(command, "result", result);
    return this.#mmio.read32(Reg.UCMDARG3);
  }
}

function timedOut(command: number): BlkError {
  return new BlkError("ETIMEDOUT", "ufshcd_wait_for_uic_cmd", `UIC command 0x${command.toString(16)} did not end`);
}

function failed(command: number, what: string, value: number): BlkError {
  const message = `UIC command 0x${command.toString(16)} failed with ${what} ${value}`;
  return new BlkError("EIO", "ufshcd_send_uic_cmd", message);
}
