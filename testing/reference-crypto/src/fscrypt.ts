import { hkdf } from "./hkdf.js";
import { fromLittleEndian, toLittleEndian } from "./little-endian.js";
import { sipHash24 } from "./siphash.js";

/** The ways an fscrypt v2 policy makes keys and DUNs. */
export type FscryptPolicy = "v2-per-file" | "v2-DIRECT_KEY" | "v2-IV_INO_LBLK_64" | "v2-IV_INO_LBLK_32";

/** What fscrypt needs to know of an encrypted file to encrypt its contents. */
export interface FscryptFile {
  readonly policy: FscryptPolicy;
  readonly masterKey: Uint8Array;
  /** `FSCRYPT_MODE_*`: 1 AES-256-XTS, 5 AES-128-CBC-ESSIV, 7 SM4-XTS, 9 Adiantum. */
  readonly contentsMode: number;
  /** 16 bytes of the file's own. */
  readonly nonce: Uint8Array;
  /** Of the file system, as text. */
  readonly uuid: string;
  readonly inodeNumber: number;
}

const KEY_BYTES: Readonly<Record<number, number>> = { 1: 64, 5: 16, 7: 32, 9: 32 };

/** HKDF-SHA512 without salt; info is "fscrypt", a zero byte, the context byte and what the context needs. */
function derive(masterKey: Uint8Array, context: number, rest: Uint8Array, outputBytes: number): Uint8Array {
  const info = new Uint8Array([...Buffer.from("fscrypt\0"), context, ...rest]);
  return hkdf("sha512", masterKey, new Uint8Array(0), info, outputBytes);
}

/** The 16 bytes by which a file system knows a master key. */
export function fscryptKeyIdentifier(masterKey: Uint8Array): Uint8Array {
  return derive(masterKey, 1, new Uint8Array(0), 16);
}

/** The key of the file's contents, as the block layer gets it. */
export function fscryptContentsKey(file: FscryptFile): Uint8Array {
  const { masterKey, contentsMode } = file;
  const keyBytes = KEY_BYTES[contentsMode]!;
  const uuid = Buffer.from(file.uuid.replaceAll("-", ""), "hex");
  switch (file.policy) {
    case "v2-per-file":
      return derive(masterKey, 2, file.nonce, keyBytes);
    case "v2-DIRECT_KEY":
      return derive(masterKey, 3, Uint8Array.of(contentsMode), keyBytes);
    case "v2-IV_INO_LBLK_64":
      return derive(masterKey, 4, Uint8Array.of(contentsMode, ...uuid), keyBytes);
    case "v2-IV_INO_LBLK_32":
      return derive(masterKey, 6, Uint8Array.of(contentsMode, ...uuid), keyBytes);
  }
}

/** The inode number, hashed under a key of its own: where an IV_INO_LBLK_32 file's DUNs start. */
function hashedInode(file: FscryptFile): bigint {
  const key = derive(file.masterKey, 7, new Uint8Array(0), 16);
  return sipHash24(key, toLittleEndian(BigInt(file.inodeNumber), 8));
}

/** The DUN of one of the file's data units. @param index - counted from the start of the file */
export function fscryptDun(file: FscryptFile, index: bigint): bigint {
  switch (file.policy) {
    case "v2-per-file":
      return index;
    case "v2-DIRECT_KEY":
      return index + fromLittleEndian(file.nonce) * 2n ** 64n;
    case "v2-IV_INO_LBLK_64":
      return index + BigInt(file.inodeNumber) * 2n ** 32n;
    case "v2-IV_INO_LBLK_32":
      return (hashedInode(file) + index) % 2n ** 32n;
  }
}
