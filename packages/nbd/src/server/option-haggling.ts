import { NbdClientFlag, NbdInfo, NbdOpt, NbdRep } from "../protocol/constants.js";
import {
  encodeExportNameReply,
  encodeInfoBlockSize,
  encodeInfoExport,
  encodeInfoText,
  encodeOptionError,
  encodeOptionReply,
  encodeServerReply,
} from "../protocol/handshake.js";
import { decodeInfoRequest, decodeString, OptionEvent, OptionParser } from "../protocol/option.js";
import type { ServedExport } from "./served-export.js";

/** Options after which a client that still has not chosen is sent away. */
const MAX_OPTIONS = 64;

/** How a handshake ended: with an export, or with the connection to be closed. */
export type HagglingResult =
  | { exported: ServedExport; rest: Uint8Array }
  | { exported: null; reason: string; isViolation: boolean };

/**
 * The server's half of the handshake after its greeting. Takes bytes in any pieces, answers through `send`.
 */
export class OptionHaggling {
  readonly #exports: readonly ServedExport[];
  readonly #send: (bytes: Uint8Array) => void;
  readonly #parser = new OptionParser();
  #optionCount = 0;
  #noZeroes = false;

  constructor(exports: readonly ServedExport[], send: (bytes: Uint8Array) => void) {
    this.#exports = exports;
    this.#send = send;
  }

  /** Takes the client's next bytes; null while the haggling goes on. */
  push(chunk: Uint8Array): HagglingResult | null {
    this.#parser.feed(chunk);
    for (;;) {
      const event = this.#parser.next();
      if (event === OptionEvent.NEED_DATA) return null;
      const result = this.#handle(event);
      if (result !== null) return result;
    }
  }

  #handle(event: OptionEvent): HagglingResult | null {
    if (event === OptionEvent.CLIENT_FLAGS) return this.#clientFlags(this.#parser.clientFlags);
    if (event === OptionEvent.BAD_MAGIC) return violation("bad option magic");
    this.#optionCount++;
    if (this.#optionCount > MAX_OPTIONS) return violation(`more than ${MAX_OPTIONS} options`);
    return event === OptionEvent.TOO_BIG ? this.#tooBig() : this.#option(this.#parser.option, this.#parser.data);
  }

  #clientFlags(flags: number): HagglingResult | null {
    const unknown = flags & ~(NbdClientFlag.FIXED_NEWSTYLE | NbdClientFlag.NO_ZEROES);
    if (unknown !== 0) return violation(`unknown client flags 0x${(unknown >>> 0).toString(16)}`);
    this.#noZeroes = (flags & NbdClientFlag.NO_ZEROES) !== 0;
    return null;
  }

  #tooBig(): HagglingResult | null {
    const { option } = this.#parser;
    if (option === NbdOpt.EXPORT_NAME) return violation("export name too long");
    this.#send(encodeOptionError(option, NbdRep.ERR_TOO_BIG, "the option has too much data"));
    return null;
  }

  #option(option: number, data: Uint8Array): HagglingResult | null {
    switch (option) {
      case NbdOpt.EXPORT_NAME:
        return this.#exportName(data);
      case NbdOpt.GO:
      case NbdOpt.INFO:
        return this.#info(option, data);
      case NbdOpt.LIST:
        return this.#list(data);
      case NbdOpt.ABORT:
        this.#send(encodeOptionReply(option, NbdRep.ACK));
        return { exported: null, reason: "the client aborted the handshake", isViolation: false };
      default:
        this.#send(encodeOptionError(option, NbdRep.ERR_UNSUP, "this server does not know the option"));
        return null;
    }
  }

  /** The one option that cannot be refused with a reply. */
  #exportName(data: Uint8Array): HagglingResult {
    const name = decodeString(data);
    const exported = name === null ? null : this.#find(name);
    if (exported === null) return { exported: null, reason: "unknown export", isViolation: false };
    this.#send(encodeExportNameReply(exported.bytes, exported.transmissionFlags, this.#noZeroes));
    return { exported, rest: this.#parser.rest };
  }

  #info(option: number, data: Uint8Array): HagglingResult | null {
    const request = decodeInfoRequest(data);
    if (request === null) return this.#refuse(option, NbdRep.ERR_INVALID, "the option's data is malformed");
    const exported = this.#find(request.exportName);
    if (exported === null) return this.#refuse(option, NbdRep.ERR_UNKNOWN, "there is no export of this name");
    this.#send(encodeInfoExport(option, exported.bytes, exported.transmissionFlags));
    this.#send(encodeInfoBlockSize(option, exported.blockSizes));
    if (request.infos.includes(NbdInfo.NAME)) this.#send(encodeInfoText(option, NbdInfo.NAME, exported.name));
    if (request.infos.includes(NbdInfo.DESCRIPTION) && exported.description !== "") {
      this.#send(encodeInfoText(option, NbdInfo.DESCRIPTION, exported.description));
    }
    this.#send(encodeOptionReply(option, NbdRep.ACK));
    return option === NbdOpt.GO ? { exported, rest: this.#parser.rest } : null;
  }

  #list(data: Uint8Array): HagglingResult | null {
    if (data.length > 0) return this.#refuse(NbdOpt.LIST, NbdRep.ERR_INVALID, "LIST takes no data");
    for (const { name, description } of this.#exports) this.#send(encodeServerReply(NbdOpt.LIST, name, description));
    this.#send(encodeOptionReply(NbdOpt.LIST, NbdRep.ACK));
    return null;
  }

  #refuse(option: number, replyType: number, message: string): null {
    this.#send(encodeOptionError(option, replyType, message));
    return null;
  }

  /** The empty name means the first export. */
  #find(name: string): ServedExport | null {
    for (const exported of this.#exports) if (exported.name === name) return exported;
    return name === "" ? (this.#exports[0] ?? null) : null;
  }
}

function violation(reason: string): HagglingResult {
  return { exported: null, reason, isViolation: true };
}
