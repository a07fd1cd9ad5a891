import { BlkError, BlkStatus, Timer } from "@inlinecrypt/blk-core";
import type { RuntimePm } from "@inlinecrypt/blk-crypto-profile";
import { WellKnownLun } from "../ufshci/index.js";
import { hbaStop } from "./controller-start.js";
import { buildSynchronizeCacheCdb, startStopCdb } from "./scsi-cdb.js";
import type { UfsHba } from "./ufs-hba.js";

/** Power conditions of START STOP UNIT. @kernel include/ufs/ufs.h: enum ufs_dev_pwr_mode */
const PowerCondition = { ACTIVE: 1, SLEEP: 2, POWERDOWN: 3 } as const;

/** `off`: suspended with the whole system. */
export type PmState = "active" | "suspending" | "suspended" | "resuming" | "off";

/** A refused request comes again sooner than this, whoever holds it: the device's own queue or one stacked above. */
const RETRY_MS = 10;

/**
 * Sleep. Idle, the device sleeps and the link hibernates; I/O and keyslot operations wake them. With the whole system,
 * the device is powered down and the controller disabled: it comes back as from a reset.
 *
 * @kernel drivers/ufs/core/ufshcd.c: __ufshcd_wl_suspend, __ufshcd_wl_resume
 */
export class UfsPm implements RuntimePm {
  readonly #hba: UfsHba;
  readonly #autosuspendMs: number | null;
  readonly #idleTimer: Timer = new Timer(() => this.#idle());
  #state: PmState = "active";
  /** Who keeps the device awake, apart from commands on their way. */
  #users = 0;
  #lastBusyMs = 0;
  /** A suspend or resume on its way. */
  #transition: Promise<void> | null = null;
  #waking = false;
  /** Requests were refused, and none has come since. */
  #refused = false;
  #stopped = false;
  #systemSuspending: Promise<void> | null = null;
  #systemResuming: Promise<void> | null = null;
  /** Ends the wait for the system to resume. */
  #systemWaiters: (() => void)[] = [];

  constructor(hba: UfsHba, autosuspendMs: number | null) {
    this.#hba = hba;
    this.#autosuspendMs = autosuspendMs;
  }

  get state(): PmState {
    return this.#state;
  }

  /** Whether a request may be sent now; if not, the device wakes up. @context hot */
  get admission(): BlkStatus {
    if (this.#state !== "active") {
      this.#refused = true;
      this.#wake();
      return BlkStatus.RESOURCE;
    }
    this.#refused = false;
    return BlkStatus.OK;
  }

  runtimeResume(): void | Promise<void> {
    this.#users++;
    if (this.#state === "active") return;
    return this.#untilActive().catch((error) => {
      this.#users--;
      throw error;
    });
  }

  runtimePut(): void {
    this.#users--;
    this.touch();
  }

  /** Keeps the device from being put to sleep, without waking it. */
  hold(): void {
    this.#users++;
  }

  release(): void {
    this.runtimePut();
  }

  /** It was used just now. @kernel include/linux/pm_runtime.h: pm_runtime_mark_last_busy */
  touch(): void {
    if (this.#autosuspendMs === null || this.#stopped) return;
    this.#lastBusyMs = this.#hba.layer.executor.nowMs();
    if (!this.#idleTimer.pending) this.#hba.layer.executor.addTimer(this.#idleTimer, this.#autosuspendMs);
  }

  /** No sleep by itself any more, and nobody waits for the system to resume. */
  stop(): void {
    this.#stopped = true;
    this.#hba.layer.executor.cancelTimer(this.#idleTimer);
    this.#wakeSystemWaiters();
  }

  /** Has device and link sleep now, unless they are in use: then false. @kernel ufshcd_wl_runtime_suspend */
  async runtimeSuspend(): Promise<boolean> {
    if (this.#state !== "active" || this.#isBusy || this.#hba.state !== "operational") return false;
    await this.#change("suspending", () => this.#goToSleep());
    return this.state === "suspended";
  }

  /**
   * Powers device and controller down, once for all who ask meanwhile; new I/O waits for `systemResume`.
   *
   * @throws BlkError EIO or ETIMEDOUT when device or controller do not do it; they have been reset then, and go on working.
   * @kernel drivers/ufs/core/ufshcd.c: ufshcd_system_suspend
   */
  systemSuspend(): Promise<void> {
    this.#systemSuspending ??= this.#systemSuspend().finally(() => {
      this.#systemSuspending = null;
    });
    return this.#systemSuspending;
  }

  /** Starts controller and device again, keys included, once for all who ask. @throws BlkError EIO. @kernel ufshcd_system_resume */
  systemResume(): Promise<void> {
    this.#systemResuming ??= this.#systemResume().finally(() => {
      this.#systemResuming = null;
    });
    return this.#systemResuming;
  }

  /** Wakes what sleeps, so that what was accepted can end; nothing sleeps after that. */
  async prepareToClose(): Promise<void> {
    this.stop();
    if (this.#state !== "off") await this.#untilActive().catch(() => {});
    this.hold();
  }

  /** Caches written, device off. What fails is traced: there is nobody to tell. */
  async powerDown(): Promise<void> {
    if (this.#state !== "active" || this.#hba.state !== "operational") return;
    await this.#setDevicePower(PowerCondition.POWERDOWN).catch((error) => this.#trace("ufshcd_shutdown", error));
  }

  async #systemSuspend(): Promise<void> {
    if (this.#state === "off") return;
    const { luns, errorHandler } = this.#hba;
    await this.runtimeResume();
    try {
      await Promise.all(luns.map((lun) => lun.queue.freeze()));
      await errorHandler.idle();
      await this.#setDevicePower(PowerCondition.POWERDOWN);
      this.#hba.disableInterrupts();
      await hbaStop(this.#hba);
      this.#state = "off";
    } catch (error) {
      // Without an answer in time the device may be off all the same, and interrupts may be.
      await this.#recoverLink();
      for (const lun of luns) lun.queue.unfreeze();
      throw error;
    } finally {
      this.runtimePut();
    }
  }

  async #systemResume(): Promise<void> {
    if (this.#state !== "off") return;
    this.#hba.errorHandler.scheduleReset("the system resumes");
    await this.#hba.errorHandler.idle();
    this.#state = "active";
    this.#wakeSystemWaiters();
    for (const lun of this.#hba.luns) lun.queue.unfreeze();
    this.#expectWorking();
  }

  get #isBusy(): boolean {
    return this.#users > 0 || this.#hba.transfers.outstanding !== 0 || this.#hba.errorHandler.isRunning;
  }

  #idle(): void {
    if (this.#state !== "active" || this.#stopped) return;
    const { executor } = this.#hba.layer;
    const leftMs = this.#lastBusyMs + this.#autosuspendMs! - executor.nowMs();
    if (leftMs > 0) executor.addTimer(this.#idleTimer, leftMs);
    else if (this.#refused) this.#waitForRefused();
    else if (this.#isBusy) executor.addTimer(this.#idleTimer, this.#autosuspendMs!);
    else this.runtimeSuspend();
  }

  /** It was woken for requests that come back by themselves. If they do not, it sleeps all the same. */
  #waitForRefused(): void {
    this.#refused = false;
    this.#hba.layer.executor.addTimer(this.#idleTimer, RETRY_MS);
  }

  #wake(): void {
    if (this.#waking || this.#state === "off") return;
    this.#waking = true;
    this.#untilActive()
      .catch((error) => this.#trace("ufshcd_wl_resume", error))
      .finally(() => {
        this.#waking = false;
      });
  }

  async #untilActive(): Promise<void> {
    while (this.#state !== "active") {
      if (this.#transition !== null) await this.#transition;
      else if (this.#state === "off") await this.#untilSystemResumes();
      else await this.#change("resuming", () => this.#wakeUp());
    }
    this.#expectWorking();
  }

  /** Nothing else changes the state until `run` has ended. */
  async #change(state: PmState, run: () => Promise<void>): Promise<void> {
    this.#state = state;
    this.#transition = run().finally(() => {
      this.#transition = null;
    });
    await this.#transition;
  }

  async #goToSleep(): Promise<void> {
    try {
      await this.#setDevicePower(PowerCondition.SLEEP);
    } catch (error) {
      this.#trace("ufshcd_wl_suspend", error);
      await this.#keepAwake();
      return this.#isActive();
    }
    try {
      await this.#hba.uic.hibernateEnter();
      this.#state = "suspended";
    } catch (error) {
      this.#trace("ufshcd_wl_suspend", error);
      await this.#recoverLink();
      this.#isActive();
    }
  }

  /** The command to sleep did not end well, or not in time: the device may sleep all the same. */
  async #keepAwake(): Promise<void> {
    try {
      await this.#hba.reserved.scsi(WellKnownLun.UFS_DEVICE, startStopCdb(PowerCondition.ACTIVE));
    } catch (error) {
      this.#trace("ufshcd_wl_suspend", error);
      await this.#recoverLink();
    }
  }

  async #wakeUp(): Promise<void> {
    const { uic, reserved, cryptoProfile } = this.#hba;
    try {
      await uic.hibernateExit();
      await reserved.scsi(WellKnownLun.UFS_DEVICE, startStopCdb(PowerCondition.ACTIVE));
      // Some controllers lose their keys in their sleep.
      await cryptoProfile?.reprogramAllKeys();
    } catch (error) {
      this.#trace("ufshcd_wl_resume", error);
      await this.#recoverLink();
    }
    this.#isActive();
  }

  #isActive(): void {
    this.#state = "active";
    this.touch();
    this.#hba.runQueues();
  }

  /** A reset brings back link, device and keys. */
  async #recoverLink(): Promise<void> {
    this.#hba.errorHandler.scheduleReset("link or device did not change its power state");
    await this.#hba.errorHandler.idle();
  }

  /** @kernel drivers/scsi/sd.c: sd_suspend_common; drivers/ufs/core/ufshcd.c: ufshcd_set_dev_pwr_mode */
  async #setDevicePower(condition: number): Promise<void> {
    const { luns, reserved } = this.#hba;
    const cdb = new Uint8Array(16);
    buildSynchronizeCacheCdb(cdb);
    for (const lun of luns) {
      if (lun.queue.limits.writeCache) await reserved.scsi(lun.number, cdb);
    }
    await reserved.scsi(WellKnownLun.UFS_DEVICE, startStopCdb(condition));
  }

  #untilSystemResumes(): Promise<void> {
    if (this.#stopped) throw new BlkError("ENODEV", this.#hba.name, "the controller is closed");
    return new Promise((resolve) => this.#systemWaiters.push(resolve));
  }

  #wakeSystemWaiters(): void {
    const waiters = this.#systemWaiters;
    this.#systemWaiters = [];
    for (const resolve of waiters) resolve();
  }

  #expectWorking(): void {
    if (this.#hba.state !== "failed" && this.#hba.state !== "closed") return;
    throw new BlkError("EIO", this.#hba.name, "the controller did not come back from a reset");
  }

  #trace(event: string, error: unknown): void {
    this.#hba.layer.tracer?.trace(event, { host: this.#hba.name, what: (error as Error).message });
  }
}
