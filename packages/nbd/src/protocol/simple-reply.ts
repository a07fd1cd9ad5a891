import { FillBuffer, readU32, writeU32 } from "./bytes.js";
import { NbdMagic, SIMPLE_REPLY_BYTES } from "./constants.js";

/** A simple reply without its payload. */
export interface SimpleReply {
  /** An `NbdError`, 0 for success. */
  error: number;
  cookieHigh: number;
  cookieLow: number;
}

/** Writes a simple reply's 16 bytes at `at`. */
export function encodeSimpleReply(
  into: Uint8Array,
  at: number,
  error: number,
  cookieHigh: number,
  cookieLow: number,
): void {
  writeU32(into, at, NbdMagic.SIMPLE_REPLY);
  writeU32(into, at + 4, error);
  writeU32(into, at + 8, cookieHigh);
  writeU32(into, at + 12, cookieLow);
}

/** Reads a simple reply's 16 bytes at `at`. False when the magic is wrong. */
export function decodeSimpleReply(from: Uint8Array, at: number, reply: SimpleReply): boolean {
  if (readU32(from, at) !== NbdMagic.SIMPLE_REPLY) return false;
  reply.error = readU32(from, at + 4);
  reply.cookieHigh = readU32(from, at + 8);
  reply.cookieLow = readU32(from, at + 12);
  return true;
}

/** What `ReplyParser.next` found. */
export const ReplyEvent = {
  /** The chunk is used up. */
  NEED_DATA: 0,
  /** `reply` holds a reply; whoever knows its request says with `payloadLeft` how much data follows. */
  REPLY: 1,
  /** `chunk` from `payloadStart` to `payloadEnd` is the next piece of the payload. */
  PAYLOAD: 2,
  /** This is no reply: the stream cannot be understood from here on. */
  BAD_MAGIC: 3,
} as const;
export type ReplyEvent = (typeof ReplyEvent)[keyof typeof ReplyEvent];

/** Cuts the server's bytes into simple replies and pieces of payload, as `RequestParser` does with the client's. */
export class ReplyParser {
  readonly reply: SimpleReply = { error: 0, cookieHigh: 0, cookieLow: 0 };
  chunk: Uint8Array = new Uint8Array(0);
  payloadStart = 0;
  payloadEnd = 0;
  /** Bytes of payload still to come; set after REPLY. */
  payloadLeft = 0;
  #at = 0;
  readonly #header = new FillBuffer(SIMPLE_REPLY_BYTES);

  constructor() {
    this.#header.want(SIMPLE_REPLY_BYTES);
  }

  /** Gives the next chunk; the last one must be used up. */
  feed(chunk: Uint8Array): void {
    this.chunk = chunk;
    this.#at = 0;
  }

  next(): ReplyEvent {
    if (this.payloadLeft > 0) return this.#nextPayload();
    this.#at = this.#header.fill(this.chunk, this.#at);
    if (!this.#header.isFull) return ReplyEvent.NEED_DATA;
    this.#header.want(SIMPLE_REPLY_BYTES);
    return decodeSimpleReply(this.#header.bytes, 0, this.reply) ? ReplyEvent.REPLY : ReplyEvent.BAD_MAGIC;
  }

  #nextPayload(): ReplyEvent {
    const taken = Math.min(this.payloadLeft, this.chunk.length - this.#at);
    if (taken === 0) return ReplyEvent.NEED_DATA;
    this.payloadStart = this.#at;
    this.#at += taken;
    this.payloadEnd = this.#at;
    this.payloadLeft -= taken;
    return ReplyEvent.PAYLOAD;
  }
}
