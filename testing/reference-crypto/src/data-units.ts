import { Adiantum } from "./adiantum.js";
import { Aes } from "./aes.js";
import type { DataUnitCipher } from "./data-unit-cipher.js";
import { EssivCbcAes } from "./essiv-cbc.js";
import { Sm4 } from "./sm4.js";
import { Xts } from "./xts.js";

/** The ciphers the oracle knows, by their names in the crypto API. */
export type ReferenceCipherName = "xts(aes)" | "essiv(cbc(aes),sha256)" | "adiantum(xchacha12,aes)" | "xts(sm4)";

const CIPHERS: Readonly<Record<ReferenceCipherName, (key: Uint8Array) => DataUnitCipher>> = {
  "xts(aes)": (key) => new Xts(Aes, key),
  "essiv(cbc(aes),sha256)": (key) => new EssivCbcAes(key),
  "adiantum(xchacha12,aes)": (key) => new Adiantum(key),
  "xts(sm4)": (key) => new Xts(Sm4, key),
};

function cryptDataUnits(
  dataUnitBytes: number,
  firstDun: bigint,
  bytes: Uint8Array,
  dunStep: bigint,
  cryptUnit: (dun: bigint, unit: Uint8Array) => Uint8Array,
): Uint8Array {
  if (bytes.length % dataUnitBytes !== 0) {
    throw new RangeError(`${bytes.length} bytes are not whole data units of ${dataUnitBytes}`);
  }
  const output = new Uint8Array(bytes.length);
  let dun = firstDun;
  for (let at = 0; at < bytes.length; at += dataUnitBytes) {
    output.set(cryptUnit(dun, bytes.subarray(at, at + dataUnitBytes)), at);
    dun += dunStep;
  }
  return output;
}

/** The ciphertext of whole data units; unit j has DUN `firstDun + j * dunStep`. */
export function referenceEncrypt(
  cipherName: ReferenceCipherName,
  key: Uint8Array,
  dataUnitBytes: number,
  firstDun: bigint,
  plaintext: Uint8Array,
  dunStep = 1n,
): Uint8Array {
  const cipher = CIPHERS[cipherName](key);
  return cryptDataUnits(dataUnitBytes, firstDun, plaintext, dunStep, (dun, unit) => cipher.encrypt(dun, unit));
}

/** The plaintext of whole data units; unit j has DUN `firstDun + j * dunStep`. */
export function referenceDecrypt(
  cipherName: ReferenceCipherName,
  key: Uint8Array,
  dataUnitBytes: number,
  firstDun: bigint,
  ciphertext: Uint8Array,
  dunStep = 1n,
): Uint8Array {
  const cipher = CIPHERS[cipherName](key);
  return cryptDataUnits(dataUnitBytes, firstDun, ciphertext, dunStep, (dun, unit) => cipher.decrypt(dun, unit));
}
