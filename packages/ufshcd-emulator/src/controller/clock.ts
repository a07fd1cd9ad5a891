/**
 * What the controller needs of its surroundings to let time pass: hardware works beside the CPU, never inside a register
 * access. An adapter over any event loop takes a few lines; tests use a simulated one.
 */
export interface ControllerClock {
  /** Runs `run` soon, outside the caller's stack, in order of calls. */
  defer(run: () => void): void;
  /**
   * Runs `run` once, `delayNs` nanoseconds from now.
   *
   * @returns cancels it; after it ran, or a second time, it does nothing
   */
  after(delayNs: number, run: () => void): () => void;
}
