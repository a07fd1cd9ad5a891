import type { DmArgs } from "../dm-args.js";
import { quoteArg } from "../dm-table-line.js";
import type { DmTargetSpec } from "../dm-target-spec.js";

/** A key as a table line gives it. The bytes are for whoever asked, who wipes them. */
export interface TableKey {
  readonly bytes: Uint8Array;
  /** What a table prints: zeroes in place of the key, as dmsetup does, or where the key is. */
  readonly shown: string;
}

/**
 * Takes a key: hexadecimal, `-` for none, or `:<bytes>:<type>:<description>` for one in the keyring.
 *
 * @throws BlkError EINVAL, ENOKEY; no message contains a key.
 * @kernel drivers/md/dm-crypt.c: crypt_set_key
 */
export function parseTableKey(text: string, args: DmArgs, spec: DmTargetSpec): TableKey {
  if (text === "-") return { bytes: new Uint8Array(0), shown: "-" };
  if (text.startsWith(":")) return keyringKey(text, args, spec);
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text))
    args.refuse("the key is an even number of hexadecimal digits");
  const bytes = new Uint8Array(text.length / 2);
  for (let index = 0; index < bytes.length; index++)
    bytes[index] = Number.parseInt(text.slice(2 * index, 2 * index + 2), 16);
  return { bytes, shown: hiddenKey(bytes.length) };
}

/** How a table prints a key in hexadecimal: as zeroes. */
export function hiddenKey(bytes: number): string {
  return "00".repeat(bytes);
}

function keyringKey(text: string, args: DmArgs, spec: DmTargetSpec): TableKey {
  const parts = /^:(\d{1,4}):([a-z]+):(\S+)$/.exec(text);
  if (parts === null) args.refuse("a key in the keyring is :<bytes>:<type>:<description>, without blanks");
  const [, size, type, description] = parts as unknown as [string, string, string, string];
  const payload = spec.keyringKey(type, description);
  if (payload.length !== Number(size)) {
    args.refuse(`the key ${type}:${description} has ${payload.length} bytes, the table says ${size}`);
  }
  return { bytes: new Uint8Array(payload), shown: quoteArg(text) };
}
