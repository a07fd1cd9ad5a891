import { type IrqLine, Reg } from "../ufshci/index.js";
import type { RegisterFile } from "./register-file.js";

/** IS and IE, and the line they drive: it is high while an enabled interrupt is pending. */
export class Interrupts {
  readonly #registers: RegisterFile;
  readonly #irq: IrqLine;
  #high = false;

  constructor(registers: RegisterFile, irq: IrqLine) {
    this.#registers = registers;
    this.#irq = irq;
  }

  /** Sets bits of IS. */
  raise(bits: number): void {
    this.#registers.setBits(Reg.IS, bits);
    this.update();
  }

  /** Drives the line after IS or IE changed. */
  update(): void {
    const high = (this.#registers.get(Reg.IS) & this.#registers.get(Reg.IE)) !== 0;
    if (high === this.#high) return;
    this.#high = high;
    if (high) this.#irq.raise();
    else this.#irq.lower();
  }
}
