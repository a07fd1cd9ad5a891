import { type Executor, Timer } from "@inlinecrypt/blk-core";
import type { MappedDevice } from "@inlinecrypt/dm-layer";

const CHECK_MS = 50;

/** Brings paths back a while after they have failed, as multipathd does. Whether they work, the next request finds out. */
export class PathChecker {
  readonly #device: MappedDevice;
  readonly #pathNames: readonly string[];
  readonly #executor: Executor;
  readonly #timer = new Timer(() => this.reinstateAll());

  constructor(device: MappedDevice, pathNames: readonly string[], executor: Executor) {
    this.#device = device;
    this.#pathNames = pathNames;
    this.#executor = executor;
    void this.#watch();
  }

  /** How many paths are active. */
  get alive(): number {
    const words = this.#device.status().join(" ").split(" ");
    return this.#pathNames.filter((name) => words[words.indexOf(name) + 1] === "A").length;
  }

  /** False when the device is suspended, and takes no messages. */
  fail(name: string): boolean {
    if (this.#device.suspended) return false;
    this.#device.message(0, `fail_path ${name}`);
    return true;
  }

  /** Later, when the device is suspended. */
  reinstateAll(): void {
    if (this.#device.suspended) return this.#executor.addTimer(this.#timer, CHECK_MS);
    for (const name of this.#pathNames) this.#device.message(0, `reinstate_path ${name}`);
  }

  stop(): void {
    this.#executor.cancelTimer(this.#timer);
  }

  /** Until the device is removed. */
  async #watch(): Promise<void> {
    for (let seen = this.#device.eventNr; ; ) {
      const count = await this.#device.waitEvent(seen).catch(() => null);
      if (count === null) return;
      seen = count;
      if (!this.#timer.pending) this.#executor.addTimer(this.#timer, CHECK_MS);
    }
  }
}
