/** Adds `value` to `target`, both four little-endian words, modulo 2^128. */
export function addLe128(target: Int32Array, at: number, value: Int32Array, valueAt: number): void {
  let carry = 0;
  for (let i = 0; i < 4; i++) {
    carry += (target[at + i]! >>> 0) + (value[valueAt + i]! >>> 0);
    target[at + i] = carry;
    carry = carry > 0xffffffff ? 1 : 0;
  }
}

/** Subtracts `value` from `target`, both four little-endian words, modulo 2^128. */
export function subtractLe128(target: Int32Array, at: number, value: Int32Array, valueAt: number): void {
  let borrow = 0;
  for (let i = 0; i < 4; i++) {
    const difference = (target[at + i]! >>> 0) - (value[valueAt + i]! >>> 0) - borrow;
    target[at + i] = difference;
    borrow = difference < 0 ? 1 : 0;
  }
}
