import { Timer, WorkItem } from "@inlinecrypt/blk-core";
import { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import type { ControllerClock } from "@inlinecrypt/ufshcd-emulator/controller";

/** A controller's clock in simulated time. */
export class SimClock implements ControllerClock {
  readonly executor: SimExecutor = new SimExecutor();

  defer(run: () => void): void {
    this.executor.queueWork(new WorkItem(run));
  }

  after(delayNs: number, run: () => void): () => void {
    const timer = new Timer(run);
    this.executor.addTimer(timer, delayNs / 1e6);
    return () => this.executor.cancelTimer(timer);
  }

  /** Runs what is due now; timers stay. */
  settle(): void {
    for (let step = 0; this.executor.runOne(); step++)
      if (step > 100_000) throw new Error("the controller never rests");
  }

  /** Lets time pass. */
  advanceNs(ns: number): void {
    this.executor.advance(ns / 1e6);
  }
}
