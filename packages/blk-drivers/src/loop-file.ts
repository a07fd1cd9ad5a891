import type { Stats } from "node:fs";
import { type FileHandle, open, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { BlkError, Errno, type ErrnoCode } from "@inlinecrypt/blk-core";
import { blockSpecialBytes } from "./loop-block-size.js";

/** Which file to open, and what it has to be like. */
export interface LoopFileOptions {
  file: string;
  readOnly: boolean;
  /** Size the file must have, or gets when it does not exist; undefined: it must exist, with any size. */
  sizeBytes: number | undefined;
  /** The size must be a multiple of this. */
  logicalBlockBytes: number;
}

/** The open file behind a loop device. */
export interface LoopFile {
  readonly path: string;
  readonly handle: FileHandle;
  readonly bytes: number;
  readonly readOnly: boolean;
  /** A regular file, not a block special file. */
  readonly isRegular: boolean;
  /** What the file system allocates and frees at a time. */
  readonly blockBytes: number;
}

/**
 * Opens a regular or block special file, or creates a sparse one. What is created is on the medium, name and size
 * included, when this resolves; what could not be completed is removed.
 *
 * @throws BlkError naming the file and what was expected of it.
 * @kernel drivers/block/loop.c: loop_configure
 */
export async function openLoopFile(options: LoopFileOptions): Promise<LoopFile> {
  const { file: path, readOnly, sizeBytes, logicalBlockBytes } = options;
  if (sizeBytes !== undefined) checkSize(`sizeBytes of ${path}`, sizeBytes, logicalBlockBytes);
  if (sizeBytes !== undefined && !readOnly && !(await exists(path))) await createSparse(path, sizeBytes);
  await checkKind(path);
  const handle = await open(path, readOnly ? "r" : "r+").catch(failed(path, readOnly ? "read" : "read and written"));
  try {
    const stats = await handle.stat();
    const isRegular = stats.isFile();
    const bytes = isRegular ? stats.size : await blockSpecialBytes(path, stats.rdev);
    checkSize(path, bytes, logicalBlockBytes);
    if (sizeBytes !== undefined && bytes !== sizeBytes) {
      throw refusal("EINVAL", `${path} exists with ${bytes} bytes, expected ${sizeBytes}`);
    }
    return { path, handle, bytes, readOnly, isRegular, blockBytes: stats.blksize };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Before the file is opened: to open a pipe would wait for its other end. */
async function checkKind(path: string): Promise<void> {
  const stats = await stat(path).catch(failed(path, "opened"));
  if (stats.isDirectory()) throw refusal("EISDIR", `${path} is a folder, expected a file`);
  if (stats.isFile() || stats.isBlockDevice()) return;
  throw refusal("EINVAL", `${path} is a ${kindOf(stats)}, expected a regular or block special file`);
}

function kindOf(stats: Stats): string {
  if (stats.isFIFO()) return "pipe";
  return stats.isSocket() ? "socket" : "character device";
}

function checkSize(what: string, bytes: number, logicalBlockBytes: number): void {
  if (Number.isSafeInteger(bytes) && bytes > 0 && bytes % logicalBlockBytes === 0) return;
  throw refusal(
    "EINVAL",
    `${what}: ${bytes} bytes, expected a multiple of the logical block of ${logicalBlockBytes}, and not 0`,
  );
}

async function createSparse(path: string, bytes: number): Promise<void> {
  const handle = await open(path, "wx").catch(failed(path, "created"));
  try {
    await handle.truncate(bytes);
    await handle.sync();
    await syncFolder(dirname(path));
  } catch (error) {
    await unlink(path).catch(() => {});
    return failed(path, `created with ${bytes} bytes`)(error as NodeJS.ErrnoException);
  } finally {
    await handle.close();
  }
}

/** A new file survives a power cut only when its folder is on the medium too. */
async function syncFolder(path: string): Promise<void> {
  // Windows cannot open folders, and does not need this.
  if (process.platform === "win32") return;
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function refusal(code: ErrnoCode, message: string, cause?: unknown): BlkError {
  return new BlkError(code, "loop_configure", message, { cause });
}

/** Turns an error of the operating system into one that says what to do. */
function failed(path: string, what: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    throw openRefusal(path, what, error);
  };
}

/** Exported for its test: not every machine refuses what a test wants refused. */
export function openRefusal(path: string, what: string, error: NodeJS.ErrnoException): BlkError {
  const code = error.code !== undefined && error.code in Errno ? (error.code as ErrnoCode) : "EIO";
  return refusal(code, `${path} cannot be ${what}: ${hintFor(what, error)}`, error);
}

function hintFor(what: string, error: NodeJS.ErrnoException): string {
  const canBeReadOnly = what === "read and written";
  switch (error.code) {
    case "ENOENT":
      return (
        "it does not exist; name an existing file, or give a size to create one in an existing folder; " +
        "opened read-only, none is created"
      );
    case "EEXIST":
      return "it is a link that leads nowhere, or was created by another just now";
    case "EACCES":
    case "EPERM":
      return `no permission; check the rights of the file and of its folders${canBeReadOnly ? ", or open it read-only" : ""}`;
    case "EROFS":
      return `its file system is read-only${canBeReadOnly ? "; open it read-only" : ""}`;
    case "ENOSPC":
      return "its file system is full";
    case "EFBIG":
      return "its file system does not take files of this size";
    default:
      return error.message;
  }
}
