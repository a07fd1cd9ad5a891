import type { Writable } from "node:stream";
import { explainSystemError, isSystemError } from "../failure.js";
import type { CommandIo } from "./command-io.js";

/**
 * Writes to standard output and waits until it has gone, so that a slow reader slows the whole.
 *
 * @returns false when the reader has left, which is no failure: `| head`
 * @throws RequestError when it cannot be written, as on a full disk
 */
export async function print(io: CommandIo, chunk: string | Uint8Array): Promise<boolean> {
  try {
    await written(io.stdout, chunk);
    return true;
  } catch (error) {
    if (isSystemError(error) && error.code === "EPIPE") return false;
    throw explainSystemError("cannot write standard output", error);
  }
}

function written(out: Writable, chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    out.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
