import { readFile } from "node:fs/promises";
import { type FscryptFile, fscryptContentsKey, fscryptDun, referenceDecrypt } from "@inlinecrypt/reference-crypto";
import { contentOf, type EncryptedFile } from "./encrypted-files.js";
import { blocksOf, checkExt4, FS_BLOCK_BYTES, FS_UUID } from "./ext4-medium.js";

const AES_256_XTS = 1;

/** What the guest told of a file: where it is on the disk, and what goes into its key. */
export interface FileOnMedium {
  readonly file: EncryptedFile;
  readonly inodeNumber: number;
  readonly nonce: Uint8Array;
}

/** Matches the `@@FILE` lines of a write job with the files. */
export function filesOnMedium(lines: readonly string[][], files: readonly EncryptedFile[]): FileOnMedium[] {
  return files.map((file) => {
    const [, inode, nonce] = lines.find(([directory]) => directory === file.directory) ?? [];
    if (inode === undefined || nonce === undefined) throw new Error(`the guest told nothing of ${file.directory}`);
    return { file, inodeNumber: Number(inode), nonce: Buffer.from(nonce, "hex") };
  });
}

/** Decrypts a file block by block from the disk at rest, with keys and ciphers that are not ours. */
function decryptFromMedium(medium: Uint8Array, disk: string, { file, inodeNumber, nonce }: FileOnMedium): Buffer {
  const { policy, masterKey } = file;
  const fscrypt: FscryptFile = { policy, masterKey, contentsMode: AES_256_XTS, nonce, uuid: FS_UUID, inodeNumber };
  const key = fscryptContentsKey(fscrypt);
  const blocks = blocksOf(disk, inodeNumber).map((block, index) => {
    const ciphertext = medium.subarray(block * FS_BLOCK_BYTES, (block + 1) * FS_BLOCK_BYTES);
    return referenceDecrypt("xts(aes)", key, FS_BLOCK_BYTES, fscryptDun(fscrypt, BigInt(index)), ciphertext);
  });
  return Buffer.concat(blocks);
}

/** What is wrong with a file system at rest: nothing, if every block of every file decrypts to what was written. */
export async function problemsOnMedium(disk: string, written: readonly FileOnMedium[]): Promise<string[]> {
  checkExt4(disk);
  const medium = await readFile(disk);
  return written.flatMap((onMedium) => {
    const { file } = onMedium;
    const expected = contentOf(file);
    const found = decryptFromMedium(medium, disk, onMedium);
    const problems: string[] = [];
    if (!found.subarray(0, file.bytes).equals(expected)) problems.push(`${file.directory}: other content`);
    if (found.subarray(file.bytes).some((byte) => byte !== 0)) problems.push(`${file.directory}: no zeroes at the end`);
    if (medium.includes(expected.subarray(0, 64))) problems.push(`${file.directory}: plaintext on the medium`);
    return problems;
  });
}
