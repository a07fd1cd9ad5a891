import { FillBuffer, readU16, readU32, writeU16, writeU32 } from "./bytes.js";
import { NBD_MAX_STRING_BYTES, NbdMagic, OPTION_HEADER_BYTES } from "./constants.js";

/** Most option data this server keeps: the longest name with more information requests than there are kinds. */
export const MAX_OPTION_BYTES: number = 2 * NBD_MAX_STRING_BYTES;

/** What `OptionParser.next` found. */
export const OptionEvent = {
  /** The chunk is used up. */
  NEED_DATA: 0,
  /** `clientFlags` are known. Comes first, once. */
  CLIENT_FLAGS: 1,
  /** `option` and `data` hold a whole option. */
  OPTION: 2,
  /** `option` had more data than is kept; it was skipped. */
  TOO_BIG: 3,
  /** This is no option: the stream cannot be understood from here on. */
  BAD_MAGIC: 4,
} as const;
export type OptionEvent = (typeof OptionEvent)[keyof typeof OptionEvent];

const Expect = { FLAGS: 0, HEADER: 1, DATA: 2, SKIP: 3 } as const;
type Expect = (typeof Expect)[keyof typeof Expect];

/**
 * Cuts the client's half of the handshake into client flags and options. Memory is bounded, whatever lengths the
 * client claims.
 */
export class OptionParser {
  clientFlags = 0;
  /** An `NbdOpt`, or a number this server does not know. */
  option = 0;
  #dataBytes = 0;
  #skipBytes = 0;
  #expect: Expect = Expect.FLAGS;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;
  readonly #buffer = new FillBuffer(MAX_OPTION_BYTES);

  constructor() {
    this.#buffer.want(4);
  }

  /** Data of the last option; a view that the next call of `next` overwrites. */
  get data(): Uint8Array {
    return this.#buffer.bytes.subarray(0, this.#dataBytes);
  }

  /** What is left of the chunk: the first bytes of the transmission phase after an option that ended the haggling. */
  get rest(): Uint8Array {
    return this.#chunk.subarray(this.#at);
  }

  /** Gives the next chunk; the last one must be used up. */
  feed(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
  }

  next(): OptionEvent {
    for (;;) {
      if (this.#expect === Expect.SKIP) {
        const skipped = Math.min(this.#skipBytes, this.#chunk.length - this.#at);
        this.#at += skipped;
        this.#skipBytes -= skipped;
        if (this.#skipBytes > 0) return OptionEvent.NEED_DATA;
        this.#expectNext(Expect.HEADER, OPTION_HEADER_BYTES);
        return OptionEvent.TOO_BIG;
      }
      this.#at = this.#buffer.fill(this.#chunk, this.#at);
      if (!this.#buffer.isFull) return OptionEvent.NEED_DATA;
      const event = this.#filled();
      if (event !== null) return event;
    }
  }

  /** Looks at what was collected; null when an option's header only says what to collect next. */
  #filled(): OptionEvent | null {
    const bytes = this.#buffer.bytes;
    if (this.#expect === Expect.FLAGS) {
      this.clientFlags = readU32(bytes, 0);
      this.#expectNext(Expect.HEADER, OPTION_HEADER_BYTES);
      return OptionEvent.CLIENT_FLAGS;
    }
    if (this.#expect === Expect.DATA) {
      this.#expectNext(Expect.HEADER, OPTION_HEADER_BYTES);
      return OptionEvent.OPTION;
    }
    if (readU32(bytes, 0) !== NbdMagic.OPTION_HIGH || readU32(bytes, 4) !== NbdMagic.OPTION_LOW) {
      return OptionEvent.BAD_MAGIC;
    }
    this.option = readU32(bytes, 8);
    const claimedBytes = readU32(bytes, 12);
    this.#dataBytes = claimedBytes > MAX_OPTION_BYTES ? 0 : claimedBytes;
    if (claimedBytes > MAX_OPTION_BYTES) {
      this.#skipBytes = claimedBytes;
      this.#expect = Expect.SKIP;
    } else {
      this.#expectNext(Expect.DATA, claimedBytes);
    }
    return null;
  }

  #expectNext(expect: Expect, bytes: number): void {
    this.#expect = expect;
    this.#buffer.want(bytes);
  }
}

/** An option with its data, as a client sends it. */
export function encodeOption(option: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(OPTION_HEADER_BYTES + data.length);
  writeU32(bytes, 0, NbdMagic.OPTION_HIGH);
  writeU32(bytes, 4, NbdMagic.OPTION_LOW);
  writeU32(bytes, 8, option);
  writeU32(bytes, 12, data.length);
  bytes.set(data, OPTION_HEADER_BYTES);
  return bytes;
}

/** Data of `NbdOpt.GO` and `NbdOpt.INFO`. */
export interface InfoRequest {
  exportName: string;
  /** `NbdInfo` numbers. */
  infos: readonly number[];
}

/** Reads the data of GO or INFO; null when lengths do not add up or the name is no string. */
export function decodeInfoRequest(data: Uint8Array): InfoRequest | null {
  if (data.length < 6) return null;
  const nameBytes = readU32(data, 0);
  if (nameBytes > data.length - 6) return null;
  const exportName = decodeString(data.subarray(4, 4 + nameBytes));
  const infoCount = readU16(data, 4 + nameBytes);
  if (exportName === null || data.length !== 6 + nameBytes + 2 * infoCount) return null;
  const infos: number[] = [];
  for (let index = 0; index < infoCount; index++) infos.push(readU16(data, 6 + nameBytes + 2 * index));
  return { exportName, infos };
}

/** Writes the data of GO or INFO. */
export function encodeInfoRequest(request: InfoRequest): Uint8Array {
  const name = new TextEncoder().encode(request.exportName);
  const data = new Uint8Array(6 + name.length + 2 * request.infos.length);
  writeU32(data, 0, name.length);
  data.set(name, 4);
  writeU16(data, 4 + name.length, request.infos.length);
  request.infos.forEach((info, index) => {
    writeU16(data, 6 + name.length + 2 * index, info);
  });
  return data;
}

/** A protocol string: UTF-8, at most 4096 bytes, no NUL; null for anything else. */
export function decodeString(bytes: Uint8Array): string | null {
  if (bytes.length > NBD_MAX_STRING_BYTES || bytes.includes(0)) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
}

/** Whether a string may go over the wire: at most 4096 bytes of UTF-8, no NUL. Half a surrogate pair has no UTF-8. */
export function isValidString(text: string): boolean {
  return !/[\0\p{Surrogate}]/u.test(text) && new TextEncoder().encode(text).length <= NBD_MAX_STRING_BYTES;
}
