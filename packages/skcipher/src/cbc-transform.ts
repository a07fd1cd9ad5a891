/** CBC mode in one direction, under one key. */
export interface CbcTransform {
  /**
   * Transforms data units from `src` to `dst`, which is as long and may be the same bytes.
   *
   * @param ivs - 16 bytes for each data unit, which may change
   */
  run(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, ivs: Uint8Array): void;
  /** Wipes the key; the transform is not used again. */
  clear(): void;
}
