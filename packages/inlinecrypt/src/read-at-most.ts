import { type FileHandle, open } from "node:fs/promises";
import { explainSystemError } from "./failure.js";

/** What was found of a file. */
export interface FileStart {
  /** As many as the memory holds when there are more. */
  readonly bytesRead: number;
  readonly mode: number;
}

/**
 * Reads a file from its start into memory that the caller owns, and no more than fits: pipes and devices may have no end.
 *
 * @param what - the file in words, for example `"key file ./k.key"`
 * @throws RequestError when it cannot be read
 */
export async function readAtMost(path: string, into: Uint8Array, what: string): Promise<FileStart> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const { mode } = await file.stat();
    let bytesRead = 0;
    while (bytesRead < into.length) {
      const read = await file.read(into, bytesRead, into.length - bytesRead, null);
      if (read.bytesRead === 0) break;
      bytesRead += read.bytesRead;
    }
    return { bytesRead, mode };
  } catch (error) {
    throw explainSystemError(`cannot read ${what}`, error);
  } finally {
    await file?.close();
  }
}
