/**
 * Memory for a key, in an ArrayBuffer of its own: V8 keeps the contents of small arrays in its heap, moves them about, and
 * leaves copies behind that nobody can wipe.
 */
export function secretBytes(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(bytes));
}
