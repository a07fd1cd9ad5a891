import { type Executor, WorkItem } from "@inlinecrypt/blk-core";
import type { IrqLine } from "../ufshci/index.js";

/**
 * The driver's end of an interrupt line. The handler runs from a work item, as the kernel's threaded interrupts do:
 * whoever raises the line, perhaps inside a register access, is never called back from there.
 *
 * @kernel drivers/ufs/core/ufshcd.c: ufshcd_threaded_intr
 */
export class InterruptLine implements IrqLine {
  readonly #executor: Executor;
  readonly #work: WorkItem = new WorkItem(() => this.#run());
  #handler: (() => void) | null = null;
  #high = false;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  raise(): void {
    this.#high = true;
    if (this.#handler !== null) this.#executor.queueWork(this.#work);
  }

  lower(): void {
    this.#high = false;
  }

  /** Has `handler` called soon after every rise, and again while the line stays high. @kernel request_threaded_irq */
  request(handler: () => void): void {
    this.#handler = handler;
    if (this.#high) this.#executor.queueWork(this.#work);
  }

  /** Calls nobody any more. @kernel free_irq */
  free(): void {
    this.#handler = null;
  }

  #run(): void {
    if (!this.#high || this.#handler === null) return;
    this.#handler();
    if (this.#high) this.#executor.queueWork(this.#work);
  }
}
