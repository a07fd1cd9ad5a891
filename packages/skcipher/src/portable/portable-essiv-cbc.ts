import { BlockCbcDecryptor, LockstepCbcEncryptor } from "../block-cbc.js";
import type { CbcScratch } from "../cbc-scratch.js";
import { EssivCbcCore } from "../essiv-cbc-core.js";
import type { CipherCore } from "../skcipher-alg.js";
import { nobleAes128, nobleAes256 } from "./noble-aes.js";

/** `essiv(cbc(aes),sha256)` in JavaScript. */
export function portableEssivCbcCore(scratch: CbcScratch): CipherCore {
  return new EssivCbcCore({
    scratch,
    ivCipher: nobleAes256,
    encryptor: (key) => new LockstepCbcEncryptor(nobleAes128.encryptor(key), scratch),
    decryptor: (key) => new BlockCbcDecryptor(nobleAes128.decryptor(key), scratch),
  });
}
