import { type CryptoModeName, cryptoModeByName } from "@inlinecrypt/blk-crypto-profile";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { allocCipher } from "../engines.js";
import { explainSystemError, UsageError } from "../failure.js";
import { loadKey } from "../load-key.js";
import type { CommandIo } from "./command-io.js";
import { cryptStream } from "./crypt-stream.js";
import { print } from "./print.js";

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
    for await (const chunk of cryptStream(readInput(io), { direction, cipher, dataUnitBytes, firstDun })) {
      if (!(await print(io, chunk))) break;
    }
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
