import { BlkError } from "./errors.js";

/** The largest of the kernel's `int`. */
export const INT_MAX: number = 2 ** 31 - 1;

/** @throws BlkError EINVAL naming the option, unless it is a whole number from `min` to `max`. */
export function expectCount(op: string, name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new BlkError("EINVAL", op, `${name} is ${value}, expected ${min} to ${max}`);
}
