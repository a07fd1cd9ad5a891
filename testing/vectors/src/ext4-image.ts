import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

/** Path of the gzip-compressed ext4 image. */
export function ext4ImagePath(): string {
  return fileURLToPath(new URL("../data/fscrypt-ext4.img.gz", import.meta.url));
}

/** The ext4 image, unpacked: 8 MiB, written by Linux 6.18. */
export function readExt4Image(): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(ext4ImagePath())));
}

/** What `fscrypt-ext4.json` says of the image as a whole. */
export interface Ext4ImageFacts {
  readonly imageBytes: number;
  readonly imageSha256: string;
}

/** Length and hash of the unpacked image. */
export function ext4ImageFacts(): Ext4ImageFacts {
  const text = readFileSync(new URL("../data/fscrypt-ext4.json", import.meta.url), "utf8");
  const { imageBytes, imageSha256 } = JSON.parse(text) as Ext4ImageFacts;
  return { imageBytes, imageSha256 };
}
