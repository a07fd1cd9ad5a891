import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { FscryptPolicyName } from "./kernel-record.js";
import { buildPlaintext } from "./plaintext.js";

/** A run of blocks of a file: contiguous in the file and on the disk. */
export interface Ext4Extent {
  /** First block, counted from the start of the file. */
  readonly logicalBlock: number;
  /** First block, counted from the start of the image. */
  readonly physicalBlock: number;
  readonly blocks: number;
}

/** An encrypted file as `fscrypt-ext4.json` spells it. */
export interface Ext4File {
  readonly name: string;
  readonly ino: number;
  readonly nonceHex: string;
  /** Bytes of content; the rest of the last block is zero before encryption. */
  readonly size: number;
  readonly contentSha256: string;
  /** Where the content is not zero: the first bytes of a seed's stream, at an offset. */
  readonly segments: readonly { readonly offset: number; readonly length: number; readonly seed: string }[];
  /** The key of the contents, as the kernel derived it. */
  readonly keyHex: string;
  /** Blocks outside of them are holes. */
  readonly extents: readonly Ext4Extent[];
  /** DUN of the file's first data unit, decimal, as the kernel computed it. */
  readonly firstDunOfBlock0: string;
  /** Of the blocks of all extents, in logical order. */
  readonly ciphertextSha256OfMappedBlocks: string;
}

/** A directory with a policy, which all its files share. */
export interface Ext4Directory {
  readonly name: string;
  /** Name of a member of `masterKeys`. */
  readonly masterKey: string;
  readonly contentsMode: number;
  readonly filenamesMode: number;
  readonly flags: number;
  readonly policy: FscryptPolicyName;
  /** Bytes of a data unit. */
  readonly dataUnitSize: number;
  readonly files: readonly Ext4File[];
}

/** What `fscrypt-ext4.json` says of the image. */
export interface Ext4ImageFacts {
  readonly imageBytes: number;
  readonly imageSha256: string;
  /** Bytes of a block. */
  readonly fsBlockSize: number;
  readonly uuid: string;
  readonly masterKeys: Readonly<Record<string, { readonly rawHex: string; readonly identifierHex: string }>>;
  readonly directories: readonly Ext4Directory[];
}

/** Path of the gzip-compressed ext4 image. */
export function ext4ImagePath(): string {
  return fileURLToPath(new URL("../data/fscrypt-ext4.img.gz", import.meta.url));
}

/** The ext4 image, unpacked: 8 MiB, written by Linux 6.18. */
export function readExt4Image(): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(ext4ImagePath())));
}

/** Reads what is known of the image. */
export function ext4ImageFacts(): Ext4ImageFacts {
  const text = readFileSync(new URL("../data/fscrypt-ext4.json", import.meta.url), "utf8");
  return JSON.parse(text) as Ext4ImageFacts;
}

/** Builds a file's content, as it was written; each call gives a new array. */
export function ext4FileContent(file: Ext4File): Uint8Array {
  const segments = file.segments.map(({ offset, length, seed }) => ({ at: offset, seed, skip: 0, length }));
  return buildPlaintext(file.size, segments);
}
