import type { AlgImplementation, SkcipherAlg } from "./skcipher-alg.js";

/** `essiv(cbc(aes),sha256)` with AES-128. The kernel's takes 24- and 32-byte keys too; no block layer mode uses them. */
export function essivCbcAes(implementation: AlgImplementation): SkcipherAlg {
  return {
    ...implementation,
    name: "essiv(cbc(aes),sha256)",
    keyBytes: 16,
    ivBytes: 16,
    weakness: () => undefined,
  };
}
