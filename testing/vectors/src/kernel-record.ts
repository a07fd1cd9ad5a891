import { readFileSync } from "node:fs";
import type { PlaintextSegment } from "./plaintext.js";

/** The block cipher modes of the records, by the block layer's names. */
export type KernelVectorMode = "AES-256-XTS" | "AES-128-CBC-ESSIV" | "Adiantum" | "SM4-XTS";

/** The fscrypt policies of the records and of the image, all of version 2. */
export type FscryptPolicyName = "v2-per-file" | "v2-DIRECT_KEY" | "v2-IV_INO_LBLK_64" | "v2-IV_INO_LBLK_32";

/** A record as the JSON files spell it; `README.md` explains the fields. */
export interface KernelRecord {
  readonly id: string;
  readonly source: string;
  readonly mode: KernelVectorMode;
  readonly keyHex: string;
  readonly dataUnitSize: number;
  readonly dataUnits: number;
  readonly firstDun: string;
  readonly dunStep?: number;
  readonly plaintext: { readonly length: number; readonly segments: readonly PlaintextSegment[] };
  readonly plaintextSha256: string;
  readonly ciphertextSha256: string;
  readonly ciphertextHex?: string;
  readonly ciphertextFirst64Hex?: string;
  readonly unitFirst16Hex?: readonly string[];
  readonly dmTable?: string;
  readonly layer?: string;
  readonly policy?: FscryptPolicyName;
  readonly policyFlags?: number;
  readonly contentsMode?: number;
  readonly masterKeyHex?: string;
  readonly nonceHex?: string;
  readonly uuid?: string;
  readonly ino?: number;
  readonly fsBlockSize?: number;
  readonly log2DataUnitSize?: number;
  readonly firstLogicalBlock?: number;
  readonly fileSize?: number;
  readonly image?: string;
}

/** Reads one of the files in `data/`. */
export function readRecords(fileName: string): KernelRecord[] {
  return JSON.parse(readFileSync(new URL(`../data/${fileName}`, import.meta.url), "utf8")) as KernelRecord[];
}
