import { inspect } from "node:util";
import { serialize } from "node:v8";

const PIECE_BYTES = 8;

/** More than a key has bytes; disks and buffers are longer. */
const SHOWN_BYTES = 256;

/** Everything that prints or sends an object, with nothing left out but the ends of long arrays. */
export function showAllWays(value: unknown): string {
  const all = { showHidden: true, depth: Infinity, maxArrayLength: SHOWN_BYTES, maxStringLength: null, getters: true };
  return [
    inspect(value),
    inspect(value, all),
    tryTo(() => String(value)),
    tryTo(() => `${JSON.stringify(value)}`),
    tryTo(() => Object.entries(value as object).join()),
    // What postMessage and structuredClone would send.
    tryTo(() => serialize(value).toString("latin1")),
    ...errorsOf(value).map((error) => `${error.message} ${error.stack}`),
  ].join("\n");
}

/** How a part of the key is shown in the text; empty when it is not. Any 8 bytes of the key that stand together count. */
export function shownParts(text: string, key: Uint8Array): string[] {
  const shown: string[] = [];
  // Printed arrays are columns of numbers.
  const words = text.replaceAll(/\s+/g, " ");
  const lower = words.toLowerCase();
  for (let at = 0; at + PIECE_BYTES <= key.length; at++) {
    const piece = Buffer.from(key.subarray(at, at + PIECE_BYTES));
    const hex = piece.toString("hex");
    if (lower.includes(hex)) shown.push(`hex of byte ${at}`);
    if (lower.includes(hex.replaceAll(/(..)(?!$)/g, "$1 "))) shown.push(`spaced hex of byte ${at}`);
    if (words.includes([...piece].join(", ")) || words.includes([...piece].join())) shown.push(`numbers of byte ${at}`);
    if (words.includes([...piece].map((byte, index) => `"${at + index}":${byte}`).join())) {
      shown.push(`JSON of byte ${at}`);
    }
    if (text.includes(piece.toString("latin1")) || text.includes(piece.toString("utf8"))) shown.push(`byte ${at}`);
  }
  for (let at = 0; at < 3; at++) {
    // Without the last characters, which depend on what follows.
    const base64 = Buffer.from(key.subarray(at))
      .toString("base64url")
      .slice(0, 2 * PIECE_BYTES);
    if (text.replaceAll("+", "-").replaceAll("/", "_").includes(base64)) shown.push(`base64 from byte ${at}`);
  }
  return shown;
}

function tryTo(show: () => string): string {
  try {
    return show();
  } catch (error) {
    return String(error);
  }
}

/** An error and its causes. */
function errorsOf(value: unknown): Error[] {
  return value instanceof Error ? [value, ...errorsOf(value.cause)] : [];
}
