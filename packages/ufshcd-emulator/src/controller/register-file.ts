import { accessMask, type RegisterSpec } from "../ufshci/index.js";

/**
 * The registers' values, and what software may do to each bit of them. Writes that act (doorbells, commands) are the
 * business of who owns the register; this class only stores.
 */
export class RegisterFile {
  readonly #values: Uint32Array;
  readonly #resets: Uint32Array;
  readonly #stored: Uint32Array;
  readonly #cleared: Uint32Array;
  readonly #hidden: Uint32Array;

  /** @param resets - reset values of what the controller configures, by offset */
  constructor(specs: readonly RegisterSpec[], resets: ReadonlyMap<number, number>) {
    const dwords = specs.reduce((most, { offset }) => Math.max(most, offset / 4 + 1), 0);
    this.#resets = new Uint32Array(dwords);
    this.#stored = new Uint32Array(dwords);
    this.#cleared = new Uint32Array(dwords);
    this.#hidden = new Uint32Array(dwords);
    for (const spec of specs) {
      const at = spec.offset / 4;
      this.#resets[at] = resets.get(spec.offset) ?? spec.reset;
      this.#stored[at] = accessMask(spec, "RW");
      this.#cleared[at] = accessMask(spec, "W1C");
      this.#hidden[at] = accessMask(spec, "WO");
    }
    this.#values = this.#resets.slice();
  }

  /** What software reads; 0 where no register is. */
  read(offset: number): number {
    const at = offset / 4;
    return ((this.#values[at] ?? 0) & ~(this.#hidden[at] ?? 0)) >>> 0;
  }

  /** What software writes: stores `RW` bits, clears `W1C` bits, leaves the rest. */
  write(offset: number, value: number): void {
    const at = offset / 4;
    const old = this.#values[at];
    if (old === undefined) return;
    const stored = this.#stored[at]!;
    this.#values[at] = ((old & ~stored) | (value & stored)) & ~(value & this.#cleared[at]!);
  }

  /** The hardware's view of a register. */
  get(offset: number): number {
    return this.#values[offset / 4]!;
  }

  /** The hardware sets a whole register. */
  set(offset: number, value: number): void {
    this.#values[offset / 4] = value;
  }

  /** The hardware sets some bits. */
  setBits(offset: number, bits: number): void {
    this.#values[offset / 4]! |= bits;
  }

  /** The hardware clears some bits. */
  clearBits(offset: number, bits: number): void {
    this.#values[offset / 4]! &= ~bits;
  }

  /** Every register takes its reset value. */
  reset(): void {
    this.#values.set(this.#resets);
  }
}
