import { BlkStatus, KEYSLOT_PENDING, type KeyslotResult } from "@inlinecrypt/blk-core";
import { statusOfError } from "./op-error.js";
import type { RuntimePm } from "./runtime-pm.js";

/** Who waits for the hardware on the I/O path. */
export interface HwClient {
  /** `tryEnter` said KEYSLOT_PENDING and may have a better answer now. */
  hwFree(): void;
  /** The device that `tryEnter` had begun to wake does not wake. */
  resumeFailed(status: BlkStatus): void;
}

/**
 * Access to the hardware: one low-level op at a time, with the device awake. The device is woken before the lock is
 * taken, and let go after the lock is dropped: waking may need the lock itself, to program all keys again.
 *
 * The I/O path only tries; control paths wait in order.
 *
 * @kernel block/blk-crypto-profile.c: blk_crypto_hw_enter, blk_crypto_hw_exit
 */
export class HwAccess {
  readonly #dev: RuntimePm | null;
  readonly #client: HwClient;
  readonly #waiting: (() => void)[] = [];
  /** Attempts to wake the device for control paths. */
  readonly #waking = new Set<Promise<void>>();
  #locked = false;
  /** The device is being woken for the I/O path. */
  #resuming = false;
  /** The device was woken for the I/O path, which has not yet entered. */
  #awakeForIo = false;

  constructor(dev: RuntimePm | null, client: HwClient) {
    this.#dev = dev;
    this.#client = client;
  }

  /** Whether an op runs, or one of a control path waits for the device to wake. */
  get isBusy(): boolean {
    return this.#locked || this.#waking.size > 0;
  }

  /** Resolves when all ops under way have ended. */
  async whenIdle(): Promise<void> {
    // Others may have begun by the time that those before have ended.
    while (this.isBusy) {
      await Promise.allSettled(this.#waking);
      await this.runLocked(() => {});
    }
  }

  /** Whether `leaveUnused` or a `tryEnter` is due. */
  get isAwakeForIo(): boolean {
    return this.#awakeForIo;
  }

  /**
   * For the I/O path. OK: entered, `exit` is due. KEYSLOT_PENDING: not now; the client is told when to try again. Else
   * the device does not wake.
   */
  tryEnter(): KeyslotResult {
    if (this.#locked) return KEYSLOT_PENDING;
    if (this.#dev !== null && !this.#awakeForIo) {
      const resumed = this.#resume(this.#dev);
      if (resumed !== BlkStatus.OK) return resumed;
      this.#awakeForIo = true;
      // Waking may have begun to program all keys again.
      if (this.#locked) return KEYSLOT_PENDING;
    }
    this.#awakeForIo = false;
    this.#locked = true;
    return BlkStatus.OK;
  }

  exit(): void {
    this.#unlock();
    this.#dev?.runtimePut();
  }

  /** Lets the device go that was woken for I/O which needs it no longer. */
  leaveUnused(): void {
    if (!this.#awakeForIo) return;
    this.#awakeForIo = false;
    this.#dev?.runtimePut();
  }

  /**
   * Runs `op` with the device awake and the lock held. When both are had at once, a synchronous `op` has run when this
   * returns.
   */
  async run<T>(op: () => T | Promise<T>): Promise<T> {
    const resuming = this.#dev?.runtimeResume();
    if (resuming !== undefined) {
      this.#waking.add(resuming);
      try {
        await resuming;
      } finally {
        this.#waking.delete(resuming);
      }
    }
    try {
      return await this.runLocked(op);
    } finally {
      this.#dev?.runtimePut();
    }
  }

  /** Runs `op` with the lock held, whether or not the device is awake. */
  async runLocked<T>(op: () => T | Promise<T>): Promise<T> {
    if (this.#locked) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#locked = true;
    try {
      const settled = op();
      return settled instanceof Promise ? await settled : settled;
    } finally {
      this.#unlock();
    }
  }

  #unlock(): void {
    // Who waits longest has the lock from here on: nobody else gets in between.
    const next = this.#waiting.shift();
    if (next !== undefined) return next();
    this.#locked = false;
    this.#client.hwFree();
  }

  #resume(dev: RuntimePm): KeyslotResult {
    if (this.#resuming) return KEYSLOT_PENDING;
    let resuming: void | Promise<void>;
    try {
      resuming = dev.runtimeResume();
    } catch (error) {
      return statusOfError(error);
    }
    if (resuming === undefined) return BlkStatus.OK;
    this.#resuming = true;
    resuming.then(
      () => {
        this.#resuming = false;
        this.#awakeForIo = true;
        this.#client.hwFree();
      },
      (error) => {
        this.#resuming = false;
        this.#client.resumeFailed(statusOfError(error));
      },
    );
    return KEYSLOT_PENDING;
  }
}
