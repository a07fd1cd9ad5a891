import type { ReferenceCipherName } from "@inlinecrypt/reference-crypto";
import type { KernelVectorMode } from "@inlinecrypt/testing-vectors";

/** The crypto API's name of each mode's cipher. */
export const cipherNames: Readonly<Record<KernelVectorMode, ReferenceCipherName>> = {
  "AES-256-XTS": "xts(aes)",
  "AES-128-CBC-ESSIV": "essiv(cbc(aes),sha256)",
  Adiantum: "adiantum(xchacha12,aes)",
  "SM4-XTS": "xts(sm4)",
};
