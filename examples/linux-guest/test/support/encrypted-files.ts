import { createHash } from "node:crypto";
import type { FscryptPolicy } from "@inlinecrypt/reference-crypto";

/** A file in a directory with an encryption policy of its own. */
export interface EncryptedFile {
  readonly directory: string;
  readonly masterKey: Uint8Array;
  readonly policy: FscryptPolicy;
  /** FSCRYPT_POLICY_FLAG_* besides the padding of names. */
  readonly flags: number;
  /** The content is the numbers from here on, a line each. */
  readonly firstNumber: number;
  readonly bytes: number;
}

const POLICIES: readonly { policy: FscryptPolicy; flags: number }[] = [
  { policy: "v2-per-file", flags: 0 },
  { policy: "v2-IV_INO_LBLK_64", flags: 8 },
  { policy: "v2-IV_INO_LBLK_32", flags: 16 },
];

/** As many files as asked for, each under another master key, the policies in turn; no size is a whole number of blocks. */
export function encryptedFiles(count: number): EncryptedFile[] {
  return Array.from({ length: count }, (_, index) => ({
    directory: `d${index + 1}`,
    masterKey: createHash("sha512").update(`master key ${index}`).digest(),
    ...POLICIES[index % POLICIES.length]!,
    firstNumber: (index + 1) * 1_000_000,
    bytes: 50_000 + 7_001 * index,
  }));
}

/** What the guest's `seq` writes into the file. */
export function contentOf({ firstNumber, bytes }: EncryptedFile): Buffer {
  const lines = Array.from({ length: Math.ceil(bytes / 8) }, (_, line) => `${firstNumber + line}\n`);
  return Buffer.from(lines.join("")).subarray(0, bytes);
}

export function sha256Of(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
