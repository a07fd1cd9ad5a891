import { CheckedSkcipher } from "./checked-skcipher.js";
import { KNOWN_ANSWERS, type KnownAnswer } from "./known-answers.js";
import { DUN_LIMBS, MAX_DATA_UNIT_BYTES, type Skcipher } from "./skcipher.js";
import type { SkcipherAlg } from "./skcipher-alg.js";
import { SkcipherError } from "./skcipher-error.js";

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/**
 * Encrypts two data units, the second of them the known one, and decrypts them again. The first one shows that the DUN rises.
 * A data unit may be longer than the known answer: what follows does not change the ciphertext of the blocks before it.
 */
function answers(cipher: Skcipher, dataUnitBytes: number, answer: KnownAnswer): boolean {
  const ciphertext = fromHex(answer.ciphertextHex);
  const plaintext = new Uint8Array(2 * dataUnitBytes);
  plaintext.set(fromHex(answer.plaintextHex), dataUnitBytes);
  const dun = new Uint32Array(DUN_LIMBS);
  dun[0] = answer.dun - 1;
  const result = new Uint8Array(plaintext.length);
  cipher.encrypt(plaintext, result, dataUnitBytes, dun);
  if (!sameBytes(result.subarray(dataUnitBytes, dataUnitBytes + ciphertext.length), ciphertext)) return false;
  cipher.decrypt(result, result, dataUnitBytes, dun);
  return sameBytes(result, plaintext);
}

function runSelfTest(alg: SkcipherAlg): string | undefined {
  const answer = KNOWN_ANSWERS[alg.name];
  if (answer === undefined) return "there is no known answer to test it with";
  const cipher = new CheckedSkcipher(alg);
  try {
    cipher.setKey(fromHex(answer.keyHex));
    // The smallest and the largest: an engine may compute them in different ways.
    for (const dataUnitBytes of [answer.plaintextHex.length / 2, MAX_DATA_UNIT_BYTES]) {
      if (!answers(cipher, dataUnitBytes, answer)) {
        return `wrong answer to ${answer.source}, data units of ${dataUnitBytes} bytes`;
      }
    }
    return undefined;
  } finally {
    cipher.clear();
  }
}

/**
 * Tests a cipher against its known answer.
 *
 * @returns the `ELIBBAD` error to refuse the cipher with, or undefined if it answered right
 * @kernel crypto/testmgr.c: alg_test; crypto/api.c: crypto_alg_lookup gives ELIBBAD for what failed
 */
export function selfTest(engineName: string, alg: SkcipherAlg): SkcipherError | undefined {
  const refuse = (why: string, options?: ErrorOptions): SkcipherError =>
    new SkcipherError("ELIBBAD", "alloc", `self-test of ${alg.name} in engine "${engineName}" failed: ${why}`, options);
  try {
    const failure = runSelfTest(alg);
    return failure === undefined ? undefined : refuse(failure);
  } catch (cause) {
    return refuse(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
