import type { Socket } from "node:net";
import { type Executor, Timer } from "@inlinecrypt/blk-core";
import { encodeGreeting } from "../protocol/handshake.js";
import type { BufferPool } from "./buffer-pool.js";
import type { NbdEvent } from "./nbd-event.js";
import { type HagglingResult, OptionHaggling } from "./option-haggling.js";
import type { ServedExport } from "./served-export.js";
import { type InFlightLimits, Transmission, type TransmissionOwner } from "./transmission.js";

/** What a connection needs of its server. */
export interface ConnectionHost extends InFlightLimits {
  readonly exports: readonly ServedExport[];
  readonly buffers: BufferPool;
  readonly executor: Executor;
  readonly handshakeTimeoutMs: number;
  emit(event: NbdEvent): void;
  /** The socket is closed, and unless it was abandoned nothing of it is with a device. */
  connectionClosed(connection: NbdConnection): void;
}

/** One client: its socket, the phase it is in, and why it ended. */
export class NbdConnection implements TransmissionOwner {
  readonly id: number;
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #handshakeTimer = new Timer(() => this.close("the handshake took too long"));
  #haggling: OptionHaggling | null;
  #transmission: Transmission | null = null;
  #reason: string | null = null;
  #abandoned = false;

  /** Greets the client. */
  constructor(host: ConnectionHost, socket: Socket, id: number) {
    this.#host = host;
    this.#socket = socket;
    this.id = id;
    this.#haggling = new OptionHaggling(host.exports, (bytes) => socket.write(bytes));
    host.executor.addTimer(this.#handshakeTimer, host.handshakeTimeoutMs);
    socket.on("data", (chunk) => this.#onData(chunk));
    socket.on("drain", () => this.#transmission?.drained());
    socket.on("end", () => this.#onEnd());
    socket.on("error", (error: NodeJS.ErrnoException) => this.#setReason(`connection lost: ${error.code ?? "error"}`));
    socket.on("close", () => this.#onClose());
    socket.write(encodeGreeting());
  }

  /** Finishes what is in flight, then closes. */
  shutDown(): void {
    this.#setReason("the server closes");
    if (this.#transmission === null) this.close("the server closes");
    else this.#transmission.shutDown();
  }

  /** Closes at once. */
  close(reason: string): void {
    this.#setReason(reason);
    this.#socket.destroy();
  }

  /** Closes at once and waits for nothing: requests in flight end later. */
  abandon(reason: string): void {
    this.#abandoned = true;
    this.close(reason);
    if (this.#socket.closed) this.#host.connectionClosed(this);
  }

  intakeEnded(reason: string, isViolation: boolean): void {
    this.#setReason(reason);
    if (isViolation) this.#host.emit({ type: "violation", connection: this.id, detail: reason });
  }

  finished(): void {
    this.#socket.destroySoon();
  }

  released(): void {
    this.#host.connectionClosed(this);
  }

  #onData(chunk: Uint8Array): void {
    if (this.#transmission !== null) return this.#transmission.push(chunk);
    const result = this.#haggling?.push(chunk) ?? null;
    if (result !== null) this.#endHaggling(result);
  }

  #endHaggling(result: HagglingResult): void {
    this.#haggling = null;
    this.#host.executor.cancelTimer(this.#handshakeTimer);
    if (result.exported === null) {
      this.intakeEnded(result.reason, result.isViolation);
      return this.#socket.destroySoon();
    }
    const { exported, rest } = result;
    this.#host.emit({ type: "negotiated", connection: this.id, exportName: exported.name });
    this.#transmission = new Transmission(exported, this.#host.buffers, this.#host, this.#socket, this);
    this.#transmission.push(rest);
  }

  #onEnd(): void {
    this.#setReason("the client closed the connection");
    if (this.#transmission === null) this.#socket.destroySoon();
    else this.#transmission.endIntake("the client closed the connection");
  }

  #onClose(): void {
    this.#host.executor.cancelTimer(this.#handshakeTimer);
    this.#haggling = null;
    this.#host.emit({ type: "disconnect", connection: this.id, reason: this.#reason ?? "connection lost" });
    if (this.#transmission === null || this.#abandoned) this.#host.connectionClosed(this);
    this.#transmission?.kill();
  }

  /** The first reason is the true one; the others follow from it. */
  #setReason(reason: string): void {
    this.#reason ??= reason;
  }
}
