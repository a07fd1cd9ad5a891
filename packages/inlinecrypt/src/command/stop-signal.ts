import { type StopSignal, signalExitCode } from "../failure.js";
import type { CommandIo } from "./command-io.js";

/**
 * How long after the first signal others say nothing new. `timeout` sends its signal to the process and to its group,
 * `npx` passes on the Ctrl-C that the terminal has sent already: nobody has asked twice.
 */
const REPEAT_MS = 1000;

/**
 * Listens for SIGINT and SIGTERM from its making to its disposal. The first asks the command to stop in its own time;
 * one that comes a second or more later ends the process at once, with the exit code a shell gives to a process that died
 * of it.
 */
export class StopSignals implements Disposable {
  /** Resolves with the first signal. */
  readonly first: Promise<StopSignal>;
  readonly #io: CommandIo;
  readonly #beforeExit: () => void;
  readonly #listeners: Readonly<Record<StopSignal, () => void>>;
  #received: StopSignal | null = null;
  #receivedMs = 0;
  #resolve: (signal: StopSignal) => void = () => {};

  /** @param beforeExit - what must not be left undone even when the process ends at once; it may not wait. */
  constructor(io: CommandIo, beforeExit: () => void = () => {}) {
    this.#io = io;
    this.#beforeExit = beforeExit;
    this.first = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#listeners = { SIGINT: () => this.#receive("SIGINT"), SIGTERM: () => this.#receive("SIGTERM") };
    io.signals.on("SIGINT", this.#listeners.SIGINT);
    io.signals.on("SIGTERM", this.#listeners.SIGTERM);
  }

  /** The first signal, once there was one. */
  get received(): StopSignal | null {
    return this.#received;
  }

  [Symbol.dispose](): void {
    this.#io.signals.off("SIGINT", this.#listeners.SIGINT);
    this.#io.signals.off("SIGTERM", this.#listeners.SIGTERM);
  }

  #receive(signal: StopSignal): void {
    if (this.#received !== null) return this.#receiveAgain(signal);
    this.#received = signal;
    this.#receivedMs = this.#io.nowMs();
    this.#resolve(signal);
  }

  #receiveAgain(signal: StopSignal): void {
    if (this.#io.nowMs() - this.#receivedMs < REPEAT_MS) return;
    this.#beforeExit();
    this.#io.exitNow(signalExitCode(signal));
  }
}
