import type { AlgImplementation, SkcipherAlg } from "./skcipher-alg.js";

/** `adiantum(xchacha12,aes)`: a data unit is one wide block; each bit of it changes all of its ciphertext. */
export function adiantum(implementation: AlgImplementation): SkcipherAlg {
  return {
    ...implementation,
    name: "adiantum(xchacha12,aes)",
    keyBytes: 32,
    ivBytes: 32,
    weakness: () => undefined,
  };
}
