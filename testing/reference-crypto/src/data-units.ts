import { XtsAes } from "./xts.js";

function cryptDataUnits(
  firstDun: bigint,
  dataUnitBytes: number,
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

/** The XTS-AES ciphertext of whole data units; unit j has DUN `firstDun + j * dunStep`. */
export function encryptDataUnits(
  key: Uint8Array,
  firstDun: bigint,
  dataUnitBytes: number,
  plaintext: Uint8Array,
  dunStep = 1n,
): Uint8Array {
  const xts = new XtsAes(key);
  return cryptDataUnits(firstDun, dataUnitBytes, plaintext, dunStep, (dun, unit) => xts.encrypt(dun, unit));
}

/** The XTS-AES plaintext of whole data units; unit j has DUN `firstDun + j * dunStep`. */
export function decryptDataUnits(
  key: Uint8Array,
  firstDun: bigint,
  dataUnitBytes: number,
  ciphertext: Uint8Array,
  dunStep = 1n,
): Uint8Array {
  const xts = new XtsAes(key);
  return cryptDataUnits(firstDun, dataUnitBytes, ciphertext, dunStep, (dun, unit) => xts.decrypt(dun, unit));
}

/** The XTS-AES ciphertext of one data unit. */
export function xtsAesEncrypt(key: Uint8Array, dun: bigint, plaintextUnit: Uint8Array): Uint8Array {
  return new XtsAes(key).encrypt(dun, plaintextUnit);
}

/** The XTS-AES plaintext of one data unit. */
export function xtsAesDecrypt(key: Uint8Array, dun: bigint, ciphertextUnit: Uint8Array): Uint8Array {
  return new XtsAes(key).decrypt(dun, ciphertextUnit);
}
