import type { Socket } from "node:net";
import { BlkError } from "@inlinecrypt/blk-core";
import { NBD_MAX_PAYLOAD_BYTES, NbdCmd, NbdCmdFlag, NbdFlag, REQUEST_BYTES } from "../protocol/constants.js";
import { nbdErrorToErrno } from "../protocol/errors.js";
import type { NbdBlockSizes } from "../protocol/handshake.js";
import type { NbdExportInfo, NbdListEntry } from "../protocol/option-reply.js";
import { encodeRequest } from "../protocol/request.js";
import { ReplyEvent, ReplyParser } from "../protocol/simple-reply.js";
import { type NbdAddress, nbdUri } from "../protocol/uri.js";
import { abort, go, greet, listExports } from "./client-handshake.js";
import { type PendingRequest, PendingRequests } from "./pending-requests.js";
import { SocketReader } from "./socket-reader.js";

export interface NbdClientOptions {
  /** The export to use; the empty name is the server's default. */
  exportName: string;
  /**
   * Most requests in flight; further ones wait in order.
   *
   * @default 64
   */
  maxInFlight?: number;
  /** Gives up connecting. */
  signal?: AbortSignal;
}

/** Largest TRIM or WRITE_ZEROES this client sends at once. */
const MAX_NO_DATA_BYTES = NBD_MAX_PAYLOAD_BYTES;

const NO_BYTES = new Uint8Array(0);

/**
 * A connection to one export. Any number of calls may run at a time; each resolves when its reply has come. Requests
 * larger than the server's maximum are cut.
 *
 * Every method rejects with a BlkError: what the server answered (EINVAL, EPERM, ENOSPC, EIO, ...), EOPNOTSUPP for what
 * it does not offer, ENOLINK when the connection is gone, EBADMSG when the server broke the protocol.
 */
export class NbdClient implements AsyncDisposable {
  /** Size of the export in bytes. */
  readonly exportBytes: number;
  /** The export's `NbdFlag`s. */
  readonly flags: number;
  readonly blockSizes: Readonly<NbdBlockSizes>;
  readonly #socket: Socket;
  readonly #where: string;
  readonly #maxPayloadBytes: number;
  readonly #parser = new ReplyParser();
  readonly #requests: PendingRequests;
  /** The read whose payload is arriving. */
  #receiving: PendingRequest | null = null;
  #failure: BlkError | null = null;
  /** Requests called for and not settled, waiting ones included. */
  #outstanding = 0;
  #closed: Promise<void> | null = null;
  #idle: (() => void) | null = null;

  private constructor(reader: SocketReader, where: string, info: NbdExportInfo, maxInFlight: number) {
    this.exportBytes = info.exportBytes;
    this.flags = info.flags;
    this.blockSizes = info.blockSizes;
    this.#where = where;
    this.#maxPayloadBytes = Math.min(info.blockSizes.maximum, NBD_MAX_PAYLOAD_BYTES);
    this.#requests = new PendingRequests(maxInFlight);
    this.#socket = reader.socket;
    const rest = reader.detach();
    this.#socket.on("data", (chunk) => this.#onData(chunk));
    this.#socket.on("error", (cause) => this.#fail("ENOLINK", cause.message, cause));
    this.#socket.on("close", () => this.#fail("ENOLINK", "the connection is closed"));
    if (rest.length > 0) this.#onData(rest);
  }

  /**
   * Connects and chooses an export.
   *
   * @throws BlkError ENOENT for an unknown export, ENOLINK when there is no server, EBADMSG when it speaks no NBD,
   *   EINVAL when no request may be in flight.
   */
  static async connect(address: NbdAddress, options: NbdClientOptions): Promise<NbdClient> {
    const { exportName, maxInFlight = 64 } = options;
    if (!Number.isSafeInteger(maxInFlight) || maxInFlight < 1) {
      throw new BlkError(
        "EINVAL",
        "nbd_connect",
        `maxInFlight is ${maxInFlight}, expected a whole number of 1 or more`,
      );
    }
    const reader = new SocketReader(address, options.signal);
    try {
      await greet(reader);
      const info = await go(reader, exportName);
      return new NbdClient(reader, nbdUri(address, exportName), info, maxInFlight);
    } catch (error) {
      reader.destroy();
      throw error;
    }
  }

  /** The exports of a server. @throws BlkError EPERM when it does not tell. */
  static async list(address: NbdAddress, options: { signal?: AbortSignal } = {}): Promise<NbdListEntry[]> {
    const reader = new SocketReader(address, options.signal);
    try {
      await greet(reader);
      const entries = await listExports(reader);
      await abort(reader);
      return entries;
    } finally {
      reader.destroy();
    }
  }

  /** Requests sent and not answered. */
  get inFlight(): number {
    return this.#requests.inFlight;
  }

  /** Reads `target` bytes into new memory, or as many as `target` holds into it; returns the memory. */
  async read(offset: number, target: number | Uint8Array): Promise<Uint8Array> {
    if (typeof target === "number") this.#expectRange(offset, target);
    const into = typeof target === "number" ? new Uint8Array(target) : target;
    await this.#forEachPiece(offset, into.length, this.#maxPayloadBytes, (at, bytes) =>
      this.#request(NbdCmd.READ, 0, offset + at, bytes, NO_BYTES, into.subarray(at, at + bytes)),
    );
    return into;
  }

  /** Writes all of `data`, which must not change until the promise settles. `fua`: resolve when it is on the medium. */
  async write(offset: number, data: Uint8Array, options: { fua?: boolean } = {}): Promise<void> {
    const flags = this.#fuaFlag(options.fua);
    await this.#forEachPiece(offset, data.length, this.#maxPayloadBytes, (at, bytes) =>
      this.#request(NbdCmd.WRITE, flags, offset + at, bytes, data.subarray(at, at + bytes), NO_BYTES),
    );
  }

  /** Resolves when every write that was answered, on any connection, is on the medium. */
  async flush(): Promise<void> {
    this.#expect(NbdFlag.SEND_FLUSH, "flush");
    await this.#request(NbdCmd.FLUSH, 0, 0, 0, NO_BYTES, NO_BYTES);
  }

  /** Says that the bytes are not needed; what is read there afterwards is unspecified. */
  async trim(offset: number, bytes: number, options: { fua?: boolean } = {}): Promise<void> {
    this.#expect(NbdFlag.SEND_TRIM, "trim");
    const flags = this.#fuaFlag(options.fua);
    await this.#forEachPiece(offset, bytes, MAX_NO_DATA_BYTES, (at, pieceBytes) =>
      this.#request(NbdCmd.TRIM, flags, offset + at, pieceBytes, NO_BYTES, NO_BYTES),
    );
  }

  /** Makes the bytes read as zeroes. `noHole`: the space must stay allocated. */
  async writeZeroes(offset: number, bytes: number, options: { fua?: boolean; noHole?: boolean } = {}): Promise<void> {
    this.#expect(NbdFlag.SEND_WRITE_ZEROES, "write zeroes");
    const flags = this.#fuaFlag(options.fua) | (options.noHole === true ? NbdCmdFlag.NO_HOLE : 0);
    await this.#forEachPiece(offset, bytes, MAX_NO_DATA_BYTES, (at, pieceBytes) =>
      this.#request(NbdCmd.WRITE_ZEROES, flags, offset + at, pieceBytes, NO_BYTES, NO_BYTES),
    );
  }

  /** Waits for what is in flight, says goodbye and closes. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Closes at once; everything in flight is rejected with ENOLINK. */
  destroy(): void {
    this.#socket.destroy();
    this.#fail("ENOLINK", "the client was destroyed");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#outstanding > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    if (this.#socket.closed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    if (this.#failure === null) this.#send(NbdCmd.DISC, 0, 0, 0, 0, 0, NO_BYTES);
    this.#fail("ENOLINK", "the client is closed");
    this.#socket.destroySoon();
    await closed;
  }

  #fuaFlag(fua: boolean | undefined): number {
    if (fua !== true) return 0;
    this.#expect(NbdFlag.SEND_FUA, "FUA");
    return NbdCmdFlag.FUA;
  }

  #expect(flag: number, what: string): void {
    if ((this.flags & flag) === 0) throw this.#error("EOPNOTSUPP", `the export does not offer ${what}`);
  }

  #expectRange(offset: number, bytes: number): void {
    if (Number.isSafeInteger(offset) && Number.isSafeInteger(bytes) && offset >= 0 && bytes >= 0) return;
    throw this.#error("EINVAL", `offset ${offset} and length ${bytes} must be whole and not negative`);
  }

  /** Runs `send` for pieces of at most `maxBytes`, and throws the first failure when all have settled. */
  async #forEachPiece(
    offset: number,
    bytes: number,
    maxBytes: number,
    send: (at: number, bytes: number) => Promise<void>,
  ): Promise<void> {
    this.#expectRange(offset, bytes);
    const pieces: Promise<void>[] = [];
    for (let at = 0; at < bytes; at += maxBytes) pieces.push(send(at, Math.min(maxBytes, bytes - at)));
    for (const result of await Promise.allSettled(pieces)) if (result.status === "rejected") throw result.reason;
  }

  async #request(
    type: number,
    flags: number,
    offset: number,
    bytes: number,
    data: Uint8Array,
    into: Uint8Array,
  ): Promise<void> {
    if (this.#closed !== null) throw this.#error("ENOLINK", "the client is closed");
    this.#outstanding++;
    try {
      const request = await this.#requests.alloc();
      const answered = request.start(`request ${type} at byte ${offset}`, into);
      this.#send(type, flags, offset, bytes, request.generation, request.index, data);
      await answered.finally(() => this.#requests.release(request));
    } finally {
      this.#outstanding--;
      if (this.#outstanding === 0) this.#idle?.();
    }
  }

  #send(
    type: number,
    flags: number,
    offset: number,
    bytes: number,
    cookieHigh: number,
    cookieLow: number,
    data: Uint8Array,
  ): void {
    const header = new Uint8Array(REQUEST_BYTES);
    encodeRequest(header, 0, { type, flags, offset, bytes, cookieHigh, cookieLow });
    this.#socket.cork();
    this.#socket.write(header);
    if (data.length > 0) this.#socket.write(data);
    this.#socket.uncork();
  }

  #onData(chunk: Uint8Array): void {
    this.#parser.feed(chunk);
    while (this.#failure === null) {
      const event = this.#parser.next();
      if (event === ReplyEvent.NEED_DATA) return;
      if (event === ReplyEvent.BAD_MAGIC) return this.#protocolError("bad reply magic");
      if (event === ReplyEvent.PAYLOAD) this.#takePayload();
      else this.#takeReply();
    }
  }

  #takeReply(): void {
    const { error, cookieHigh, cookieLow } = this.#parser.reply;
    const request = this.#requests.find(cookieHigh, cookieLow);
    if (request === null) return this.#protocolError("a reply to no request");
    if (error !== 0) return request.fail(this.#error(nbdErrorToErrno(error), `${request.what} failed`));
    if (request.into.length === 0) return request.succeed();
    this.#parser.payloadLeft = request.into.length;
    this.#receiving = request;
  }

  #takePayload(): void {
    const request = this.#receiving!;
    const { chunk, payloadStart, payloadEnd, payloadLeft } = this.#parser;
    request.into.set(chunk.subarray(payloadStart, payloadEnd), request.received);
    request.received += payloadEnd - payloadStart;
    if (payloadLeft > 0) return;
    this.#receiving = null;
    request.succeed();
  }

  #protocolError(what: string): void {
    this.#fail("EBADMSG", what);
    this.#socket.destroy();
  }

  #fail(code: "ENOLINK" | "EBADMSG", why: string, cause?: Error): void {
    this.#failure ??= this.#error(code, why, cause);
    this.#requests.failAll(this.#failure);
  }

  #error(code: BlkError["code"], why: string, cause?: Error): BlkError {
    return new BlkError(code, "nbd_client", `${this.#where}: ${why}`, { cause });
  }
}
