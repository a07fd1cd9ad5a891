import { FillBuffer, readU16, readU32, readU64, writeU16, writeU32, writeU64 } from "./bytes.js";
import { NbdCmd, NbdMagic, REQUEST_BYTES } from "./constants.js";

/** A request without its payload. */
export interface RequestHeader {
  /** `NbdCmdFlag`s. */
  flags: number;
  /** An `NbdCmd`, or a number this server does not know. */
  type: number;
  /** The client's name for the request (the protocol's "handle"), 64 bits in two halves; the reply repeats it. */
  cookieHigh: number;
  cookieLow: number;
  /** First byte; inexact above 2^53, where no export reaches. */
  offset: number;
  /** Length in bytes. */
  bytes: number;
}

/** A header with nothing in it. */
export function newRequestHeader(): RequestHeader {
  return { flags: 0, type: 0, cookieHigh: 0, cookieLow: 0, offset: 0, bytes: 0 };
}

/** Writes a request's 28 bytes at `at`. */
export function encodeRequest(into: Uint8Array, at: number, header: Readonly<RequestHeader>): void {
  writeU32(into, at, NbdMagic.REQUEST);
  writeU16(into, at + 4, header.flags);
  writeU16(into, at + 6, header.type);
  writeU32(into, at + 8, header.cookieHigh);
  writeU32(into, at + 12, header.cookieLow);
  writeU64(into, at + 16, header.offset);
  writeU32(into, at + 24, header.bytes);
}

/** Reads a request's 28 bytes at `at`. False when the magic is wrong, and `header` is as it was. */
export function decodeRequest(from: Uint8Array, at: number, header: RequestHeader): boolean {
  if (readU32(from, at) !== NbdMagic.REQUEST) return false;
  header.flags = readU16(from, at + 4);
  header.type = readU16(from, at + 6);
  header.cookieHigh = readU32(from, at + 8);
  header.cookieLow = readU32(from, at + 12);
  header.offset = readU64(from, at + 16);
  header.bytes = readU32(from, at + 24);
  return true;
}

/** What `RequestParser.next` found. */
export const RequestEvent = {
  /** The chunk is used up. */
  NEED_DATA: 0,
  /** `header` holds a request; the payload of a write follows. */
  REQUEST: 1,
  /** `chunk` from `payloadStart` to `payloadEnd` is the next piece of the payload. */
  PAYLOAD: 2,
  /** This is no request: the stream cannot be understood from here on. */
  BAD_MAGIC: 3,
} as const;
export type RequestEvent = (typeof RequestEvent)[keyof typeof RequestEvent];

const NO_CHUNK = new Uint8Array(0);

/**
 * Cuts the client's bytes into requests and pieces of payload. Whoever uses it pulls one event after the other and may
 * stop at any time; nothing is copied but headers that are torn over two chunks.
 *
 * @context hot
 */
export class RequestParser {
  readonly header: RequestHeader = newRequestHeader();
  chunk: Uint8Array = NO_CHUNK;
  payloadStart = 0;
  payloadEnd = 0;
  /** Bytes of the payload that are still to come after the last piece. */
  payloadLeft = 0;
  #at = 0;
  #torn = false;
  readonly #tornHeader = new FillBuffer(REQUEST_BYTES);

  /** Gives the next chunk; the last one must be used up. */
  feed(chunk: Uint8Array, at = 0): void {
    this.chunk = chunk;
    this.#at = at;
  }

  next(): RequestEvent {
    if (this.payloadLeft > 0) return this.#nextPayload();
    if (!this.#torn && this.chunk.length - this.#at >= REQUEST_BYTES) {
      this.#at += REQUEST_BYTES;
      return this.#request(this.chunk, this.#at - REQUEST_BYTES);
    }
    return this.#fillTornHeader();
  }

  #nextPayload(): RequestEvent {
    const taken = Math.min(this.payloadLeft, this.chunk.length - this.#at);
    if (taken === 0) return this.#needData();
    this.payloadStart = this.#at;
    this.#at += taken;
    this.payloadEnd = this.#at;
    this.payloadLeft -= taken;
    return RequestEvent.PAYLOAD;
  }

  #fillTornHeader(): RequestEvent {
    if (!this.#torn) {
      if (this.#at === this.chunk.length) return this.#needData();
      this.#torn = true;
      this.#tornHeader.want(REQUEST_BYTES);
    }
    this.#at = this.#tornHeader.fill(this.chunk, this.#at);
    if (!this.#tornHeader.isFull) return this.#needData();
    this.#torn = false;
    return this.#request(this.#tornHeader.bytes, 0);
  }

  #request(from: Uint8Array, at: number): RequestEvent {
    if (!decodeRequest(from, at, this.header)) return RequestEvent.BAD_MAGIC;
    this.payloadLeft = this.header.type === NbdCmd.WRITE ? this.header.bytes : 0;
    return RequestEvent.REQUEST;
  }

  /** Forgets the chunk, so that an idle connection keeps no memory alive. */
  #needData(): RequestEvent {
    this.chunk = NO_CHUNK;
    this.#at = 0;
    return RequestEvent.NEED_DATA;
  }
}
