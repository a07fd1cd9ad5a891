import { CheckedSkcipher } from "./checked-skcipher.js";
import { CHUNK_BYTES } from "./chunk.js";
import { KNOWN_ANSWERS, type KnownAnswer } from "./known-answers.js";
import { sha256 } from "./sha256.js";
import { DUN_LIMBS, type Skcipher } from "./skcipher.js";
import type { SkcipherAlg } from "./skcipher-alg.js";
import { SkcipherError } from "./skcipher-error.js";

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function isRightCiphertext(dataUnit: Uint8Array, { ciphertext }: KnownAnswer): boolean {
  if ("sha256Hex" in ciphertext) return sameBytes(sha256(dataUnit), fromHex(ciphertext.sha256Hex));
  const start = fromHex(ciphertext.startHex);
  return sameBytes(dataUnit.subarray(0, start.length), start);
}

/** `dun` as limbs. */
function toLimbs(dun: bigint): Uint32Array {
  return Uint32Array.from({ length: DUN_LIMBS }, (_, i) => Number((dun >> BigInt(32 * i)) & 0xffffffffn));
}

/**
 * Encrypts as many data units as are computed at a time, two at least, the last of them the known one, and decrypts them again.
 * Those before it show that the DUN rises.
 */
function answers(cipher: Skcipher, dataUnitBytes: number, answer: KnownAnswer): boolean {
  const dataUnits = Math.max(2, CHUNK_BYTES / dataUnitBytes);
  const lastAt = (dataUnits - 1) * dataUnitBytes;
  const plaintext = new Uint8Array(dataUnits * dataUnitBytes);
  plaintext.set(fromHex(answer.plaintextHex), lastAt);
  const dun = toLimbs(BigInt(`0x${answer.dunHex}`) - BigInt(dataUnits - 1));
  const result = new Uint8Array(plaintext.length);
  cipher.encrypt(plaintext, result, dataUnitBytes, dun);
  if (!isRightCiphertext(result.subarray(lastAt), answer)) return false;
  cipher.decrypt(result, result, dataUnitBytes, dun);
  return sameBytes(result, plaintext);
}

function runSelfTest(alg: SkcipherAlg): string | undefined {
  const answer = KNOWN_ANSWERS[alg.name];
  if (answer === undefined) return "there is no known answer to test it with";
  const cipher = new CheckedSkcipher(alg);
  try {
    cipher.setKey(fromHex(answer.keyHex));
    for (const dataUnitBytes of answer.dataUnitBytes) {
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
