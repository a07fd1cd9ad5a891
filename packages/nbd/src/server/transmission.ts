import type { Socket } from "node:net";
import { Pool, WorkItem } from "@inlinecrypt/blk-core";
import { NbdCmd, NbdError } from "../protocol/constants.js";
import { RequestEvent, RequestParser } from "../protocol/request.js";
import type { BufferPool } from "./buffer-pool.js";
import { startRequest } from "./commands.js";
import { NbdRequest, type RequestOwner } from "./nbd-request.js";
import { ReplyWriter } from "./reply-writer.js";
import { checkRequest } from "./request-check.js";
import type { ServedExport } from "./served-export.js";

/** How much of a connection may be in flight. */
export interface InFlightLimits {
  maxInFlight: number;
  maxInFlightBytes: number;
}

/** What the connection hears of its transmission phase. Each is called at most once. */
export interface TransmissionOwner {
  /** No more requests will be taken; those in flight go on. */
  intakeEnded(reason: string, isViolation: boolean): void;
  /** The intake has ended and the last reply is with the socket. */
  finished(): void;
  /** After `kill`: the last request in flight has ended, and nothing of this connection is with the device. */
  released(): void;
}

/**
 * The transmission phase of one connection: takes requests while there is room for them, sends their replies.
 *
 * Backpressure: when requests, bytes or unread replies reach their bound the socket is paused, so that the client
 * waits and not this process's memory grows.
 */
export class Transmission implements RequestOwner {
  readonly exported: ServedExport;
  readonly buffers: BufferPool;
  readonly #socket: Socket;
  readonly #owner: TransmissionOwner;
  readonly #maxInFlightBytes: number;
  readonly #parser = new RequestParser();
  readonly #writer: ReplyWriter;
  readonly #requests: Pool<NbdRequest>;
  readonly #work = new WorkItem(() => this.#runWork());
  #inFlightBytes = 0;
  /** A write of which a part of the payload is missing. */
  #receiving: NbdRequest | null = null;
  /** The parser holds a request for which there was no room. */
  #stalled = false;
  #parsing = false;
  #refusing = false;
  #intakeEnded = false;
  #finished = false;
  #dead = false;

  constructor(
    exported: ServedExport,
    buffers: BufferPool,
    limits: InFlightLimits,
    socket: Socket,
    owner: TransmissionOwner,
  ) {
    this.exported = exported;
    this.buffers = buffers;
    this.#maxInFlightBytes = limits.maxInFlightBytes;
    this.#socket = socket;
    this.#owner = owner;
    this.#writer = new ReplyWriter(socket);
    this.#requests = new Pool("nbd_request", limits.maxInFlight, () => new NbdRequest(this, requestWritten));
  }

  /** Requests taken whose replies are not yet with the socket. */
  get inFlight(): number {
    return this.#requests.inUse;
  }

  /** Takes the client's next bytes. */
  push(chunk: Uint8Array): void {
    if (this.#intakeEnded) return;
    this.#parser.feed(chunk);
    this.#parse();
  }

  /** The client reads again. */
  drained(): void {
    this.#resumeSoon();
  }

  /** The client will send no more; what it asked for is still answered, but half a write is nothing. */
  endIntake(reason: string, isViolation = false): void {
    if (this.#intakeEnded) return;
    this.#intakeEnded = true;
    this.#stalled = false;
    this.#owner.intakeEnded(reason, isViolation);
    this.#finishIfIdle();
  }

  /** The server closes: requests in flight are finished, new ones get ESHUTDOWN until then. */
  shutDown(): void {
    this.#refusing = true;
    this.#finishIfIdle();
  }

  /** The connection is gone. Requests in flight end by themselves and unseen; then the owner hears `released`. */
  kill(): void {
    this.#dead = true;
    this.#intakeEnded = true;
    this.#stalled = false;
    const rq = this.#receiving;
    this.#receiving = null;
    if (rq !== null) this.#free(rq);
    else this.#releaseIfDead();
  }

  /** @context hot */
  requestEnded(rq: NbdRequest): void {
    if (this.#dead || this.#writer.reply(rq)) this.#free(rq);
    if (!this.#parsing) this.exported.layer.executor.queueWork(this.#work);
  }

  /** The socket has sent the reply of a request whose buffers it used. */
  replyWritten(rq: NbdRequest): void {
    this.#free(rq);
  }

  #runWork(): void {
    if (this.#dead) return;
    if (this.#stalled) this.#parse();
    else this.#writer.flush();
    this.#finishIfIdle();
  }

  /** Plugged, so that neighbours in one chunk become one request of the device. */
  #parse(): void {
    const { layer } = this.exported;
    this.#parsing = true;
    layer.startPlug();
    try {
      while (this.#parseOne());
    } finally {
      layer.finishPlug();
      this.#parsing = false;
    }
    this.#writer.flush();
    this.#finishIfIdle();
  }

  /** False when the chunk is used up or the intake has to stop. */
  #parseOne(): boolean {
    if (this.#intakeEnded) return false;
    if (this.#stalled) return this.#accept();
    switch (this.#parser.next()) {
      case RequestEvent.REQUEST:
        return this.#accept();
      case RequestEvent.PAYLOAD:
        this.#takePayload();
        return true;
      case RequestEvent.BAD_MAGIC:
        this.endIntake("bad request magic", true);
        return false;
      default:
        if (this.#socket.isPaused()) this.#socket.resume();
        return false;
    }
  }

  /** Takes the parser's request, or stalls until there is room for it. */
  #accept(): boolean {
    const { header } = this.#parser;
    if (header.type === NbdCmd.DISC) {
      this.endIntake("the client disconnected");
      return false;
    }
    const rq = this.#writer.isBackedUp ? null : this.#requests.tryGet();
    if (rq === null) return this.#stall();
    rq.init(header);
    rq.error = this.#refusing ? NbdError.ESHUTDOWN : checkRequest(header, this.exported);
    if (rq.error === NbdError.OK) {
      rq.cover();
      if (!this.#tryAllocBuffers(rq)) {
        this.#requests.put(rq);
        return this.#stall();
      }
    }
    this.#stalled = false;
    if (this.#parser.payloadLeft > 0) this.#receiving = rq;
    else this.#start(rq);
    return true;
  }

  #stall(): boolean {
    this.#stalled = true;
    this.#socket.pause();
    return false;
  }

  /** A request larger than the bound is let in alone. */
  #tryAllocBuffers(rq: NbdRequest): boolean {
    if (rq.type !== NbdCmd.READ && rq.type !== NbdCmd.WRITE) return true;
    const total = this.#inFlightBytes + rq.coverBytes;
    if (this.#inFlightBytes > 0 && total > this.#maxInFlightBytes) return false;
    this.#inFlightBytes = total;
    rq.chargedBytes = rq.coverBytes;
    rq.allocBuffers();
    return true;
  }

  #takePayload(): void {
    const { chunk, payloadStart, payloadEnd, payloadLeft } = this.#parser;
    const rq = this.#receiving!;
    if (rq.error === NbdError.OK) rq.takePayload(chunk, payloadStart, payloadEnd);
    if (payloadLeft > 0) return;
    this.#receiving = null;
    this.#start(rq);
  }

  #start(rq: NbdRequest): void {
    if (rq.error === NbdError.OK) startRequest(rq);
    else this.requestEnded(rq);
  }

  #free(rq: NbdRequest): void {
    this.#inFlightBytes -= rq.chargedBytes;
    rq.freeBuffers();
    this.#requests.put(rq);
    this.#resumeSoon();
    this.#releaseIfDead();
  }

  #resumeSoon(): void {
    if (this.#dead) return;
    if (this.#stalled || this.#intakeEnded || this.#refusing) this.exported.layer.executor.queueWork(this.#work);
  }

  #releaseIfDead(): void {
    if (this.#dead && this.inFlight === 0) this.#owner.released();
  }

  #finishIfIdle(): void {
    if (this.#dead || this.#finished || this.#parsing) return;
    if (!this.#intakeEnded && !this.#refusing) return;
    if (this.inFlight > (this.#receiving === null ? 0 : 1)) return;
    this.#finished = true;
    this.endIntake("the server closes");
    this.#writer.flush();
    this.#owner.finished();
  }
}

function requestWritten(rq: NbdRequest): void {
  (rq.owner as Transmission).replyWritten(rq);
}
