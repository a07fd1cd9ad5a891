import { dunIncrement, newDun } from "@inlinecrypt/blk-core";
import type { Skcipher } from "@inlinecrypt/skcipher";
import { RequestError } from "../failure.js";

export interface CryptStreamOptions {
  readonly direction: "encrypt" | "decrypt";
  /** With its key set. */
  readonly cipher: Skcipher;
  readonly dataUnitBytes: number;
  /** DUN of the first data unit; the next one's is one more. */
  readonly firstDun: bigint;
}

/**
 * En- or decrypts a stream, however it is cut into chunks. Holds one chunk and less than a data unit; what comes out is
 * the caller's.
 *
 * @throws RequestError at the end when it is inside a data unit, and before a DUN that the cipher cannot express. What
 * came out until then stands.
 */
export async function* cryptStream(
  source: AsyncIterable<Uint8Array>,
  options: CryptStreamOptions,
): AsyncGenerator<Uint8Array> {
  const { dataUnitBytes } = options;
  const crypt = unitCrypter(options);
  const partial = new Uint8Array(dataUnitBytes);
  let partialBytes = 0;
  let totalBytes = 0;
  for await (const chunk of source) {
    totalBytes += chunk.length;
    let done = 0;
    if (partialBytes > 0) {
      done = Math.min(chunk.length, dataUnitBytes - partialBytes);
      partial.set(chunk.subarray(0, done), partialBytes);
      partialBytes += done;
      if (partialBytes < dataUnitBytes) continue;
      yield crypt(partial);
      partialBytes = 0;
    }
    const wholeBytes = chunk.length - done - ((chunk.length - done) % dataUnitBytes);
    if (wholeBytes > 0) yield crypt(chunk.subarray(done, done + wholeBytes));
    partialBytes = chunk.length - done - wholeBytes;
    partial.set(chunk.subarray(done + wholeBytes));
  }
  if (partialBytes > 0) throw endsInsideUnit(totalBytes, partialBytes, dataUnitBytes);
}

function endsInsideUnit(totalBytes: number, partialBytes: number, dataUnitBytes: number): RequestError {
  return new RequestError(
    `the input's ${totalBytes} bytes are not a multiple of the data unit of ${dataUnitBytes}; ` +
      `the last ${partialBytes} were not written, the ${totalBytes - partialBytes} before them were`,
  );
}

/** Returns a function that takes the next whole data units. */
function unitCrypter({ direction, cipher, dataUnitBytes, firstDun }: CryptStreamOptions) {
  const dun = newDun(firstDun);
  let dunsLeft = (1n << BigInt(8 * cipher.ivBytes)) - firstDun;
  return (units: Uint8Array): Uint8Array => {
    const dataUnits = units.length / dataUnitBytes;
    dunsLeft -= BigInt(dataUnits);
    if (dunsLeft < 0n) {
      throw new RequestError(
        `the data goes on past ${cipher.name}'s last data unit number, 2^${8 * cipher.ivBytes} - 1`,
      );
    }
    const out = new Uint8Array(units.length);
    if (direction === "encrypt") cipher.encrypt(units, out, dataUnitBytes, dun);
    else cipher.decrypt(units, out, dataUnitBytes, dun);
    dunIncrement(dun, dataUnits);
    return out;
  };
}
