import type { AlgImplementation, SkcipherAlg } from "./skcipher-alg.js";

/** Whether both halves are equal, in a time that does not tell where they differ. */
function halvesEqual(key: Uint8Array): boolean {
  const half = key.length / 2;
  let difference = 0;
  for (let i = 0; i < half; i++) difference |= key[i]! ^ key[half + i]!;
  return difference === 0;
}

/**
 * XTS over one block cipher, with the tweak of IEEE 1619.
 *
 * @kernel include/crypto/xts.h: xts_verify_key. The kernel refuses equal halves in FIPS mode or when the user of the cipher asks
 * for it, as blk-crypto-fallback does; here they are always refused.
 */
function xts(name: string, keyBytes: number, implementation: AlgImplementation): SkcipherAlg {
  return {
    ...implementation,
    name,
    keyBytes,
    ivBytes: 16,
    weakness: (key) => (halvesEqual(key) ? "the two halves of an XTS key must differ" : undefined),
  };
}

/** `xts(aes)` with AES-256. The kernel's takes 32- and 48-byte keys too; no block layer mode uses them. */
export function xtsAes(implementation: AlgImplementation): SkcipherAlg {
  return xts("xts(aes)", 64, implementation);
}

/** `xts(sm4)`. OpenSSL's own SM4-XTS has the tweak of GB/T 17964 instead, and other ciphertext. */
export function xtsSm4(implementation: AlgImplementation): SkcipherAlg {
  return xts("xts(sm4)", 32, implementation);
}
