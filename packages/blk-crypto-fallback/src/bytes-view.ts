/** `bytes` of `data` from `offset`, without a new view when that is all of it. */
export function bytesView(data: Uint8Array, offset: number, bytes: number): Uint8Array {
  return offset === 0 && bytes === data.length ? data : data.subarray(offset, offset + bytes);
}
