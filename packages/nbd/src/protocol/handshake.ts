import { writeU16, writeU32, writeU64 } from "./bytes.js";
import { NbdHandshakeFlag, NbdInfo, NbdMagic, NbdRep, OPTION_REPLY_HEADER_BYTES } from "./constants.js";

/** The block sizes an export asks its clients to keep to, in bytes. */
export interface NbdBlockSizes {
  /** Offsets and lengths are multiples of this; a power of two. */
  minimum: number;
  /** Multiples of this are fast; a power of two. */
  preferred: number;
  /** Largest payload of one request. */
  maximum: number;
}

/** Bytes of zeroes after the reply to EXPORT_NAME, unless both sides agreed on NO_ZEROES. */
const RESERVED_BYTES = 124;

/** The server's first 18 bytes: both magics and its handshake flags. */
export function encodeGreeting(): Uint8Array {
  const bytes = new Uint8Array(18);
  writeU32(bytes, 0, NbdMagic.INIT_HIGH);
  writeU32(bytes, 4, NbdMagic.INIT_LOW);
  writeU32(bytes, 8, NbdMagic.OPTION_HIGH);
  writeU32(bytes, 12, NbdMagic.OPTION_LOW);
  writeU16(bytes, 16, NbdHandshakeFlag.FIXED_NEWSTYLE | NbdHandshakeFlag.NO_ZEROES);
  return bytes;
}

/** The reply to EXPORT_NAME: size in bytes and transmission flags. */
export function encodeExportNameReply(exportBytes: number, flags: number, noZeroes: boolean): Uint8Array {
  const bytes = new Uint8Array(noZeroes ? 10 : 10 + RESERVED_BYTES);
  writeU64(bytes, 0, exportBytes);
  writeU16(bytes, 8, flags);
  return bytes;
}

/** A reply to an option. */
export function encodeOptionReply(option: number, replyType: number, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(OPTION_REPLY_HEADER_BYTES + data.length);
  writeU32(bytes, 0, NbdMagic.OPTION_REPLY_HIGH);
  writeU32(bytes, 4, NbdMagic.OPTION_REPLY_LOW);
  writeU32(bytes, 8, option);
  writeU32(bytes, 12, replyType);
  writeU32(bytes, 16, data.length);
  bytes.set(data, OPTION_REPLY_HEADER_BYTES);
  return bytes;
}

/** A refusal of an option, with a sentence for the person at the other end. */
export function encodeOptionError(option: number, replyType: number, message: string): Uint8Array {
  return encodeOptionReply(option, replyType, new TextEncoder().encode(message));
}

/** One entry of the answer to LIST. */
export function encodeServerReply(option: number, name: string, description: string): Uint8Array {
  const nameBytes = new TextEncoder().encode(name);
  const descriptionBytes = new TextEncoder().encode(description);
  const data = new Uint8Array(4 + nameBytes.length + descriptionBytes.length);
  writeU32(data, 0, nameBytes.length);
  data.set(nameBytes, 4);
  data.set(descriptionBytes, 4 + nameBytes.length);
  return encodeOptionReply(option, NbdRep.SERVER, data);
}

/** `NbdInfo.EXPORT`: size in bytes and transmission flags. */
export function encodeInfoExport(option: number, exportBytes: number, flags: number): Uint8Array {
  const data = new Uint8Array(12);
  writeU16(data, 0, NbdInfo.EXPORT);
  writeU64(data, 2, exportBytes);
  writeU16(data, 10, flags);
  return encodeOptionReply(option, NbdRep.INFO, data);
}

/** `NbdInfo.BLOCK_SIZE`. */
export function encodeInfoBlockSize(option: number, sizes: Readonly<NbdBlockSizes>): Uint8Array {
  const data = new Uint8Array(14);
  writeU16(data, 0, NbdInfo.BLOCK_SIZE);
  writeU32(data, 2, sizes.minimum);
  writeU32(data, 6, sizes.preferred);
  writeU32(data, 10, sizes.maximum);
  return encodeOptionReply(option, NbdRep.INFO, data);
}

/** `NbdInfo.NAME` or `NbdInfo.DESCRIPTION`. */
export function encodeInfoText(option: number, info: number, text: string): Uint8Array {
  const textBytes = new TextEncoder().encode(text);
  const data = new Uint8Array(2 + textBytes.length);
  writeU16(data, 0, info);
  data.set(textBytes, 2);
  return encodeOptionReply(option, NbdRep.INFO, data);
}
