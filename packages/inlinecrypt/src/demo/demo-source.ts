import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";
import { explainSystemError, isSystemError, RequestError } from "../failure.js";

/** Bytes of a chunk: large enough to keep the connection busy, small enough for several to be under way. */
export const CHUNK_BYTES: number = 256 * 1024;

const GENERATED_BYTES = 8 * 2 ** 20;

/** An image is unpacked in memory. */
const IMAGE_BYTES_MAX = 256 * 2 ** 20;

/** What the demo stores. */
export interface DemoSource {
  /** For people. */
  readonly name: string;
  readonly bytes: number;
  /** The content from its start, in chunks of at most `CHUNK_BYTES`. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** A file of the user's, streamed. @throws RequestError when it is no readable file, or empty */
export async function fileSource(path: string): Promise<DemoSource> {
  const bytes = await fileBytes(path);
  return { name: basename(path), bytes, chunks: () => readChunks(path, bytes) };
}

/** A small image, unpacked when it is gzip. @throws RequestError when it cannot be read or unpacked, or is empty */
export async function imageSource(path: string): Promise<DemoSource> {
  await fileBytes(path);
  const content = await readImage(path);
  if (content.length === 0) throw new RequestError(`cannot store ${path}: what it holds is empty`);
  return memorySource(basename(path).replace(/\.gz$/, ""), content);
}

/** The size of a file that has something in it. */
async function fileBytes(path: string): Promise<number> {
  const stats = await stat(path).catch((error: unknown) => {
    throw explainSystemError(`cannot read ${path}`, error);
  });
  if (!stats.isFile()) throw new RequestError(`cannot store ${path}: it is a ${kindOf(stats)}, expected a file`);
  if (stats.size === 0) throw new RequestError(`cannot store ${path}: it is empty`);
  return stats.size;
}

async function readImage(path: string): Promise<Uint8Array> {
  try {
    const packed = await readFile(path);
    const isGzip = packed[0] === 0x1f && packed[1] === 0x8b;
    return isGzip ? gunzipSync(packed, { maxOutputLength: IMAGE_BYTES_MAX }) : packed;
  } catch (error) {
    if (isSystemError(error)) throw explainSystemError(`cannot read image ${path}`, error);
    throw new RequestError(`cannot unpack image ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Text that is easy to recognise, and not to be found on the medium. */
export function generatedSource(): DemoSource {
  const lines: string[] = [];
  const lineBytes = 64;
  for (let line = 0; line < GENERATED_BYTES / lineBytes; line++) {
    lines.push(
      `line ${String(line).padStart(7, "0")}: `.padEnd(lineBytes - 1, "the client's plaintext, ").concat("\n"),
    );
  }
  return memorySource("generated text", Buffer.from(lines.join(""), "latin1"));
}

function memorySource(name: string, content: Uint8Array): DemoSource {
  return {
    name,
    bytes: content.length,
    async *chunks() {
      for (let at = 0; at < content.length; at += CHUNK_BYTES) yield content.subarray(at, at + CHUNK_BYTES);
    },
  };
}

async function* readChunks(path: string, bytes: number): AsyncGenerator<Uint8Array> {
  let done = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, end: bytes - 1 })) {
      done += chunk.length;
      yield chunk;
    }
  } catch (error) {
    throw isSystemError(error) ? explainSystemError(`cannot read ${path}`, error) : error;
  }
  if (done < bytes) throw new RequestError(`${path} became shorter while it was stored`);
}

function kindOf(stats: { isDirectory(): boolean }): string {
  return stats.isDirectory() ? "folder" : "special file";
}
