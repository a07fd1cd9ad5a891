import { connect, type Socket } from "node:net";
import { BlkError } from "@inlinecrypt/blk-core";
import { type NbdAddress, nbdUri } from "../protocol/uri.js";
import { TCP_OPTIONS } from "../tcp-options.js";

/**
 * Reads counted bytes from a socket, one reader at a time: what a handshake needs.
 */
export class SocketReader {
  readonly socket: Socket;
  readonly #where: string;
  #buffered: Buffer = Buffer.alloc(0);
  #wanted = 0;
  #resolve: ((bytes: Uint8Array) => void) | null = null;
  #reject: ((error: Error) => void) | null = null;
  #failure: BlkError | null = null;
  readonly #onData = (chunk: Buffer): void => this.#take(chunk);
  readonly #onError = (cause: Error): void => this.#fail(cause);
  readonly #onClose = (): void => this.#fail();

  /** Connects; a failure shows at the first read. Aborting the signal fails whatever is being waited for. */
  constructor(address: NbdAddress, signal: AbortSignal | undefined) {
    this.#where = nbdUri(address, "");
    this.socket = connect("unix" in address ? { path: address.unix } : { ...address, ...TCP_OPTIONS });
    this.socket.on("data", this.#onData).on("error", this.#onError).on("close", this.#onClose);
    const onAbort = (): void => {
      this.socket.destroy(signal?.reason instanceof Error ? signal.reason : new Error(String(signal?.reason)));
    };
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#stopListeningToSignal = () => signal?.removeEventListener("abort", onAbort);
  }

  readonly #stopListeningToSignal: () => void;

  /** The next `bytes` bytes. @throws BlkError ENOLINK when the connection fails or ends before. */
  read(bytes: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#wanted = bytes;
      this.#resolve = resolve;
      this.#reject = reject;
      this.#settle();
    });
  }

  /** Lets go of the socket and returns what was received and not read. */
  detach(): Uint8Array {
    this.#stopListeningToSignal();
    this.socket.off("data", this.#onData).off("error", this.#onError).off("close", this.#onClose);
    return this.#buffered;
  }

  /** Closes the connection. */
  destroy(): void {
    this.#stopListeningToSignal();
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    this.#settle();
  }

  #fail(cause?: Error): void {
    const why = cause === undefined ? "closed by the server" : cause.message;
    this.#failure ??= new BlkError("ENOLINK", "nbd_connect", `${this.#where}: ${why}`, { cause });
    this.#settle();
  }

  #settle(): void {
    if (this.#resolve === null || this.#reject === null) return;
    if (this.#buffered.length >= this.#wanted) {
      const bytes = this.#buffered.subarray(0, this.#wanted);
      this.#buffered = this.#buffered.subarray(this.#wanted);
      this.#resolve(bytes);
    } else if (this.#failure !== null) {
      this.#reject(this.#failure);
    } else {
      return;
    }
    this.#resolve = null;
    this.#reject = null;
  }
}
