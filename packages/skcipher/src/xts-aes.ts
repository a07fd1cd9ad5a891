import type { CipherCore, SkcipherAlg } from "./skcipher-alg.js";

const KEY_BYTES = 64;

/** Whether both halves are equal, in a time that does not tell where they differ. */
function halvesEqual(key: Uint8Array): boolean {
  const half = key.length / 2;
  let difference = 0;
  for (let i = 0; i < half; i++) difference |= key[i]! ^ key[half + i]!;
  return difference === 0;
}

/**
 * `xts(aes)` with AES-256, computed by what `create` makes.
 *
 * @kernel include/crypto/xts.h: xts_verify_key. The kernel refuses equal halves in FIPS mode or when the user of the cipher asks
 * for it, as blk-crypto-fallback does; here they are always refused. The kernel's xts(aes) takes 32- and 48-byte keys
 * too; no block layer mode uses them.
 */
export function xtsAes(create: () => CipherCore): SkcipherAlg {
  return {
    name: "xts(aes)",
    keyBytes: KEY_BYTES,
    ivBytes: 16,
    weakness: (key) => (halvesEqual(key) ? "the two halves of an XTS key must differ" : undefined),
    create,
  };
}
