import { createCipheriv, createDecipheriv } from "node:crypto";

/** The OpenSSL ciphers that are used, and the lengths of their keys and IVs. */
const SHAPES = {
  "aes-128-cbc": { keyBytes: 16, ivBytes: 16 },
  "aes-128-ecb": { keyBytes: 16, ivBytes: 0 },
  "aes-256-ecb": { keyBytes: 32, ivBytes: 0 },
  "aes-256-xts": { keyBytes: 64, ivBytes: 16 },
  "sm4-ecb": { keyBytes: 16, ivBytes: 0 },
} as const;

/** OpenSSL's name of a cipher that is used. */
export type OpensslName = keyof typeof SHAPES;

/** Why OpenSSL does not compute a cipher; undefined if it does. */
export type OpensslLacks = (cipherName: OpensslName) => string | undefined;

/**
 * Tries the OpenSSL inside node: it may be built without a cipher, or be told to refuse it, as in FIPS mode; what
 * `getCiphers()` lists does not tell.
 */
export const opensslLacks: OpensslLacks = (cipherName) => {
  const { keyBytes, ivBytes } = SHAPES[cipherName];
  // Bytes that differ: XTS refuses equal halves.
  const key = Uint8Array.from({ length: keyBytes }, (_, i) => i);
  const iv = ivBytes === 0 ? null : new Uint8Array(ivBytes);
  try {
    for (const make of [createCipheriv, createDecipheriv]) {
      const context = make(cipherName, key, iv).setAutoPadding(false);
      context.update(new Uint8Array(16));
      context.final();
    }
    return undefined;
  } catch (error) {
    return `OpenSSL ${process.versions.openssl} has no ${cipherName} (${(error as Error).message})`;
  }
};
