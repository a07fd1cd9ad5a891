import { Is, Reg, Utriacr } from "../ufshci/index.js";
import type { ControllerClock } from "./clock.js";
import type { Interrupts } from "./interrupts.js";
import type { RegisterFile } from "./register-file.js";

const TIMEOUT_UNIT_NS = 40_000;

/** UTRIACR: transfer completions that asked for no interrupt of their own share one, by count or by time. */
export class InterruptAggregation {
  readonly #registers: RegisterFile;
  readonly #interrupts: Interrupts;
  readonly #clock: ControllerClock;
  #count = 0;
  #cancelTimer: (() => void) | null = null;

  constructor(registers: RegisterFile, interrupts: Interrupts, clock: ControllerClock) {
    this.#registers = registers;
    this.#interrupts = interrupts;
    this.#clock = clock;
  }

  /** Software writes UTRIACR: the parameters change only with IAPWEN. */
  write(value: number): void {
    const params = Utriacr.IATOVAL_MASK | Utriacr.IACTH_MASK;
    const kept = (value & Utriacr.IAPWEN) !== 0 ? value & params : this.#registers.get(Reg.UTRIACR) & params;
    const status = this.#registers.get(Reg.UTRIACR) & Utriacr.IASB;
    this.#registers.set(Reg.UTRIACR, kept | status | (value & Utriacr.IAEN));
    if ((value & Utriacr.CTR) !== 0 || (value & Utriacr.IAEN) === 0) this.reset();
  }

  /** A transfer request completed; `alone` when it interrupts by itself: it asked for it, or it failed. */
  completed(alone: boolean): void {
    if (alone) this.#interrupts.raise(Is.UTRCS);
    else if ((this.#registers.get(Reg.UTRIACR) & Utriacr.IAEN) !== 0) this.#countOne();
  }

  /** Counter and timer start over. */
  reset(): void {
    this.#count = 0;
    this.#registers.clearBits(Reg.UTRIACR, Utriacr.IASB);
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #countOne(): void {
    this.#count++;
    this.#registers.setBits(Reg.UTRIACR, Utriacr.IASB);
    const control = this.#registers.get(Reg.UTRIACR);
    const threshold = (control & Utriacr.IACTH_MASK) >>> Utriacr.IACTH_LSB;
    if (threshold !== 0 && this.#count >= threshold) this.#interrupts.raise(Is.UTRCS);
    else this.#startTimer((control & Utriacr.IATOVAL_MASK) * TIMEOUT_UNIT_NS);
  }

  #startTimer(delayNs: number): void {
    if (delayNs === 0 || this.#cancelTimer !== null) return;
    this.#cancelTimer = this.#clock.after(delayNs, () => {
      this.#cancelTimer = null;
      this.#interrupts.raise(Is.UTRCS);
    });
  }
}
