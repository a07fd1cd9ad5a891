/** Compares quickly and names the first difference; `toEqual` takes seconds for a megabyte. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array, what = "data"): void {
  if (Buffer.compare(actual, expected) === 0) return;
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} bytes, expected ${expected.length}`);
  }
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  throw new Error(`${what}: byte ${at} of ${actual.length} is ${actual[at]}, expected ${expected[at]}`);
}

/** Bytes that differ from sector to sector and from seed to seed. */
export function pattern(bytes: number, seed: number): Uint8Array {
  const data = new Uint8Array(bytes);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let index = 0; index < bytes; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[index] = state >>> 24;
  }
  return data;
}
