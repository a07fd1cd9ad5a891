import type { Socket } from "node:net";
import { NbdCmd, NbdError, SIMPLE_REPLY_BYTES } from "../protocol/constants.js";
import { encodeSimpleReply } from "../protocol/simple-reply.js";
import { MAX_BUFFER_BYTES } from "./buffer-pool.js";
import type { NbdRequest } from "./nbd-request.js";

const STAGING_BYTES = 64 * 1024;
/** Payloads up to this are copied behind their header: one large write is cheaper than many small ones. */
const COPY_BYTES = 16 * 1024;
/** Replies queued in the socket beyond this stop the intake of requests. */
const MAX_QUEUED_BYTES = 1024 * 1024;
/** Staging buffers a connection keeps. */
const MAX_IDLE_STAGING = 2;

/** Collects replies; the socket has it until it calls `onWritten`. */
class Staging {
  readonly bytes = new Uint8Array(STAGING_BYTES);
  used = 0;
  readonly onWritten: () => void;

  constructor(onWritten: (staging: Staging) => void) {
    this.onWritten = () => onWritten(this);
  }
}

/**
 * Sends replies: many small ones in one write, large payloads straight from the request's buffers.
 *
 * @context hot
 */
export class ReplyWriter {
  readonly #socket: Socket;
  #staging: Staging | null = null;
  #corked = false;
  readonly #idleStaging: Staging[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether the client reads too slowly for more. When it does, the socket will emit `drain`. */
  get isBackedUp(): boolean {
    return this.#socket.writableLength > MAX_QUEUED_BYTES;
  }

  /** Queues a reply. True: the request may be reused; false: `rq.onWritten` will be called when it may. */
  reply(rq: NbdRequest): boolean {
    const payloadBytes = rq.type === NbdCmd.READ && rq.error === NbdError.OK ? rq.bytes : 0;
    const copied = payloadBytes <= COPY_BYTES;
    const staging = this.#reserve(SIMPLE_REPLY_BYTES + (copied ? payloadBytes : 0));
    encodeSimpleReply(staging.bytes, staging.used, rq.error, rq.cookieHigh, rq.cookieLow);
    staging.used += SIMPLE_REPLY_BYTES;
    if (!copied) {
      this.#sendPayload(rq);
    } else if (payloadBytes > 0) {
      staging.bytes.set(rq.buffers[0]!.subarray(rq.headBytes, rq.headBytes + payloadBytes), staging.used);
      staging.used += payloadBytes;
    }
    return copied;
  }

  /** Hands everything queued to the socket. */
  flush(): void {
    this.#sendStaging();
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #reserve(bytes: number): Staging {
    if (this.#staging !== null && this.#staging.used + bytes > STAGING_BYTES) this.#sendStaging();
    this.#staging ??= this.#idleStaging.pop() ?? new Staging((staging) => this.#recycle(staging));
    return this.#staging;
  }

  #recycle(staging: Staging): void {
    staging.used = 0;
    if (this.#idleStaging.length < MAX_IDLE_STAGING) this.#idleStaging.push(staging);
  }

  #sendStaging(): void {
    const staging = this.#staging;
    if (staging === null) return;
    this.#staging = null;
    this.#cork();
    this.#socket.write(staging.bytes.subarray(0, staging.used), staging.onWritten);
  }

  #sendPayload(rq: NbdRequest): void {
    this.#sendStaging();
    let at = rq.headBytes;
    const end = at + rq.bytes;
    while (at < end) {
      const bufferAt = at % MAX_BUFFER_BYTES;
      const bytes = Math.min(end - at, MAX_BUFFER_BYTES - bufferAt);
      const piece = rq.buffers[Math.floor(at / MAX_BUFFER_BYTES)]!.subarray(bufferAt, bufferAt + bytes);
      at += bytes;
      this.#socket.write(piece, at === end ? rq.onWritten : undefined);
    }
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
  }
}
