import { readU16, readU32, readU64 } from "./bytes.js";
import { NbdInfo, NbdMagic } from "./constants.js";
import type { NbdBlockSizes } from "./handshake.js";
import { decodeString } from "./option.js";

/** The header of a server's reply to an option. */
export interface OptionReplyHeader {
  option: number;
  /** An `NbdRep`. */
  replyType: number;
  dataBytes: number;
}

/** Reads the server's first 18 bytes; its handshake flags, or null when it speaks no newstyle NBD. */
export function decodeGreeting(bytes: Uint8Array): number | null {
  const isNewstyle =
    readU32(bytes, 0) === NbdMagic.INIT_HIGH &&
    readU32(bytes, 4) === NbdMagic.INIT_LOW &&
    readU32(bytes, 8) === NbdMagic.OPTION_HIGH &&
    readU32(bytes, 12) === NbdMagic.OPTION_LOW;
  return isNewstyle ? readU16(bytes, 16) : null;
}

/** Reads the 20 bytes in front of a reply's data; null when the magic is wrong. */
export function decodeOptionReplyHeader(bytes: Uint8Array): OptionReplyHeader | null {
  if (readU32(bytes, 0) !== NbdMagic.OPTION_REPLY_HIGH || readU32(bytes, 4) !== NbdMagic.OPTION_REPLY_LOW) return null;
  return { option: readU32(bytes, 8), replyType: readU32(bytes, 12), dataBytes: readU32(bytes, 16) };
}

/** What a server tells about an export. */
export interface NbdExportInfo {
  exportBytes: number;
  /** `NbdFlag`s. */
  flags: number;
  blockSizes: NbdBlockSizes;
}

/**
 * Adds the data of one `NbdRep.INFO` to what is known. Kinds nobody knows are skipped; false when the data is
 * malformed.
 */
export function decodeInfo(data: Uint8Array, info: NbdExportInfo): boolean {
  if (data.length < 2) return false;
  switch (readU16(data, 0)) {
    case NbdInfo.EXPORT:
      if (data.length !== 12) return false;
      info.exportBytes = readU64(data, 2);
      info.flags = readU16(data, 10);
      return true;
    case NbdInfo.BLOCK_SIZE:
      if (data.length !== 14) return false;
      info.blockSizes = { minimum: readU32(data, 2), preferred: readU32(data, 6), maximum: readU32(data, 10) };
      return true;
    default:
      return true;
  }
}

/** In the place of a maximum: there is none. */
const NO_MAXIMUM = 0xffff_ffff;

/** Whether block sizes are such as the protocol allows for an export of this size. */
export function areBlockSizesValid({ minimum, preferred, maximum }: NbdBlockSizes, exportBytes: number): boolean {
  if (!isPowerOfTwo(minimum) || minimum > 65536) return false;
  if (!isPowerOfTwo(preferred) || preferred < Math.max(512, minimum)) return false;
  if (maximum < Math.min(preferred, exportBytes)) return false;
  return maximum === NO_MAXIMUM || (maximum > 0 && maximum % minimum === 0);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

/** An export as a server lists it. */
export interface NbdListEntry {
  name: string;
  /** For people; may be empty. */
  description: string;
}

/** Reads the data of one `NbdRep.SERVER`; null when it is malformed. */
export function decodeServerReply(data: Uint8Array): NbdListEntry | null {
  if (data.length < 4) return null;
  const nameBytes = readU32(data, 0);
  if (nameBytes > data.length - 4) return null;
  const name = decodeString(data.subarray(4, 4 + nameBytes));
  const description = decodeString(data.subarray(4 + nameBytes));
  return name === null || description === null ? null : { name, description };
}
