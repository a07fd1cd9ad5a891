/**
 * The oracle: the ciphers and key derivations of the kernel, shaped like their definitions, slow, and without any code of our
 * packages or any library's cipher.
 *
 * @packageDocumentation
 */
export { aesCmac } from "./aes-cmac.js";
export {
  type ReferenceCipherName,
  referenceDecrypt,
  referenceEncrypt,
} from "./data-units.js";
export {
  type FscryptFile,
  type FscryptPolicy,
  fscryptContentsKey,
  fscryptDun,
  fscryptKeyIdentifier,
} from "./fscrypt.js";
export { hwKdf } from "./hw-kdf.js";
export { type Ieee1619Vector, ieee1619Vectors } from "./ieee1619-vectors.js";
