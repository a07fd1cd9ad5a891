/** A cipher of whole data units with its key set; the DUN is the IV. */
export interface DataUnitCipher {
  /** Returns the ciphertext of one data unit. */
  encrypt(dun: bigint, plaintext: Uint8Array): Uint8Array;
  /** Returns the plaintext of one data unit. */
  decrypt(dun: bigint, ciphertext: Uint8Array): Uint8Array;
}
