/** Bytes that look random and depend on `seed`. */
export function noise(byteCount: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  let state = (seed * 2654435761) | 1;
  for (let i = 0; i < byteCount; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** Offset at which two arrays first differ; -1 when they are equal. Unlike `toEqual`, fast and short in its answer. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  if (Buffer.compare(a, b) === 0) return -1;
  for (let at = 0; at < Math.min(a.length, b.length); at++) if (a[at] !== b[at]) return at;
  return Math.min(a.length, b.length);
}
