import type { Writable } from "node:stream";
import { type CryptoModeName, cryptoModeByName } from "@inlinecrypt/blk-crypto-profile";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { allocCipher } from "../engines.js";
import { explainSystemError, isSystemError, UsageError } from "../failure.js";
import { loadKey } from "../load-key.js";
import type { CommandIo } from "./command-io.js";
import { cryptStream } from "./crypt-stream.js";

export interface CryptFlags {
  readonly keyFile: string;
  readonly mode: CryptoModeName;
  readonly dataUnitSize: number;
  readonly firstDun: bigint;
}

/** `inlinecrypt crypt`: stdin to stdout. A reader of stdout that leaves early ends it quietly. */
export async function crypt(io: CommandIo, direction: "encrypt" | "decrypt", flags: CryptFlags): Promise<void> {
  const mode = cryptoModeByName(flags.mode);
  if (flags.firstDun >= 1n << BigInt(8 * mode.ivBytes)) {
    throw new UsageError(
      `--first-dun ${flags.firstDun} does not fit ${mode.name}, whose data unit numbers end at 2^${8 * mode.ivBytes} - 1`,
    );
  }
  const cipher = allocCipher(mode);
  try {
    await setKeyFromFile(io, cipher, flags);
    const { dataUnitSize: dataUnitBytes, firstDun } = flags;
    await writeAll(io.stdout, cryptStream(readInput(io), { direction, cipher, dataUnitBytes, firstDun }));
  } finally {
    cipher.clear();
  }
}

async function setKeyFromFile(io: CommandIo, cipher: Skcipher, flags: CryptFlags): Promise<void> {
  const mode = cryptoModeByName(flags.mode);
  const { keyFile: file, dataUnitSize: dataUnitBytes } = flags;
  const { key, warning } = await loadKey({ file, mode, dataUnitBytes, dunBytes: mode.ivBytes });
  using _ = key;
  if (warning !== null) io.stderr.write(`inlinecrypt: ${warning}\n`);
  key.withBytes((bytes) => cipher.setKey(bytes));
}

async function* readInput(io: CommandIo): AsyncGenerator<Uint8Array> {
  try {
    yield* io.stdin;
  } catch (error) {
    throw explainSystemError("cannot read standard input", error);
  }
}

/** Writes chunk after chunk, each when the one before has gone, so that a slow reader slows the whole. */
async function writeAll(out: Writable, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of chunks) await written(out, chunk);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (error.code !== "EPIPE") throw explainSystemError("cannot write standard output", error);
  }
}

function written(out: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    out.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
