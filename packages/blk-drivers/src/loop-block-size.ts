import { readFile } from "node:fs/promises";
import { BlkError, SECTOR_BYTES } from "@inlinecrypt/blk-core";

/**
 * Size in bytes of a block special file, which `stat` does not tell: the kernel publishes it in sysfs.
 *
 * @param path as the user wrote it, for the message
 * @param rdev `st_rdev` of the file
 * @throws BlkError EOPNOTSUPP where there is no such sysfs file, as on anything but Linux.
 */
export async function blockSpecialBytes(path: string, rdev: number, sysfs = "/sys"): Promise<number> {
  const sizeFile = `${sysfs}/dev/block/${majorOf(rdev)}:${minorOf(rdev)}/size`;
  try {
    return Number(await readFile(sizeFile, "ascii")) * SECTOR_BYTES;
  } catch (cause) {
    throw new BlkError(
      "EOPNOTSUPP",
      "loop_configure",
      `${path}: the size of a block special file is read from ${sizeFile}, which cannot be read here`,
      { cause },
    );
  }
}

// Linux has 12 bits of major and 20 of minor number; the C library puts the lower 8 of the minor below the major.

function majorOf(rdev: number): number {
  return Math.floor(rdev / 2 ** 8) % 2 ** 12;
}

function minorOf(rdev: number): number {
  return (rdev % 2 ** 8) + (Math.floor(rdev / 2 ** 20) % 2 ** 12) * 2 ** 8;
}
