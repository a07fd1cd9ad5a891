import type { CommandIo, StopSignal } from "./command-io.js";

const signalNumbers: Readonly<Record<StopSignal, number>> = { SIGINT: 2, SIGTERM: 15 };

/**
 * Listens for SIGINT and SIGTERM from its making to its disposal. The first asks the command to stop in its own time;
 * the second ends the process at once, with the exit code a shell gives to a process that died of it.
 */
export class StopSignals implements Disposable {
  /** Resolves with the first signal. */
  readonly first: Promise<StopSignal>;
  readonly #io: CommandIo;
  readonly #listeners: Readonly<Record<StopSignal, () => void>>;
  #received = false;
  #resolve: (signal: StopSignal) => void = () => {};

  constructor(io: CommandIo) {
    this.#io = io;
    this.first = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#listeners = { SIGINT: () => this.#receive("SIGINT"), SIGTERM: () => this.#receive("SIGTERM") };
    io.signals.on("SIGINT", this.#listeners.SIGINT);
    io.signals.on("SIGTERM", this.#listeners.SIGTERM);
  }

  [Symbol.dispose](): void {
    this.#io.signals.off("SIGINT", this.#listeners.SIGINT);
    this.#io.signals.off("SIGTERM", this.#listeners.SIGTERM);
  }

  #receive(signal: StopSignal): void {
    if (this.#received) return this.#io.exitNow(128 + signalNumbers[signal]);
    this.#received = true;
    this.#resolve(signal);
  }
}
