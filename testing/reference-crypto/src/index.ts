/**
 * The oracle: AES and XTS shaped like their definitions, slow, and without any code of our packages or of a library.
 *
 * @packageDocumentation
 */
export { decryptDataUnits, encryptDataUnits, xtsAesDecrypt, xtsAesEncrypt } from "./data-units.js";
export { type Ieee1619Vector, ieee1619Vectors } from "./ieee1619-vectors.js";
