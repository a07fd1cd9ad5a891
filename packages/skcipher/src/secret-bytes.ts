/**
 * Zeroed memory for a secret, to be wiped with `fill(0)`.
 *
 * V8 keeps a typed array of up to 64 bytes inside its own heap, where the garbage collector moves it and leaves the old bytes
 * behind, out of reach of any `fill`. Memory of an `ArrayBuffer` of its own never moves.
 */
export function secretBytes(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(bytes));
}

/** A copy of a secret, in memory as of {@link secretBytes}. */
export function secretCopy(secret: Uint8Array): Uint8Array {
  const copy = secretBytes(secret.length);
  copy.set(secret);
  return copy;
}
