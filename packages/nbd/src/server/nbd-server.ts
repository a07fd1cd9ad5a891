import { createServer, type Server, type Socket } from "node:net";
import { BlkError, type Executor, type GenDisk, Timer } from "@inlinecrypt/blk-core";
import type { NbdAddress } from "../protocol/uri.js";
import { TCP_OPTIONS } from "../tcp-options.js";
import { BufferPool } from "./buffer-pool.js";
import { listenOn } from "./listen.js";
import { type ConnectionHost, NbdConnection } from "./nbd-connection.js";
import type { NbdEvent } from "./nbd-event.js";
import { RangeLock } from "./range-lock.js";
import { type NbdExport, ServedExport } from "./served-export.js";

export interface NbdServerOptions {
  /** One or more, with different names; the first is the one that clients without a name get. */
  exports: readonly NbdExport[];
  /**
   * Most requests of one connection in flight; for more the client waits.
   *
   * @default 64
   */
  maxInFlight?: number;
  /**
   * Most bytes of data of one connection in flight. A single larger request is let in alone.
   *
   * @default 32 MiB
   */
  maxInFlightBytes?: number;
  /**
   * Most connections; a further one is closed at once.
   *
   * @default 64
   */
  maxConnections?: number;
  /**
   * A client that has not chosen an export by then is sent away.
   *
   * @default 30000
   */
  handshakeTimeoutMs?: number;
  /**
   * How long `close` waits for requests in flight and slow readers.
   *
   * @default 5000
   */
  closeGraceMs?: number;
  /** Hears of connections coming and going. */
  onEvent?: (event: NbdEvent) => void;
}

/** One address of a server. */
interface Listener {
  readonly server: Server;
  /** Settles when it listens, or cannot. */
  readonly listening: Promise<NbdAddress>;
}

/**
 * Serves volumes to NBD clients: fixed newstyle handshake, simple replies, any alignment.
 */
export class NbdServer implements AsyncDisposable {
  readonly #host: ConnectionHost;
  readonly #executor: Executor;
  readonly #buffers = new BufferPool();
  readonly #maxConnections: number;
  readonly #closeGraceMs: number;
  readonly #onEvent: (event: NbdEvent) => void;
  readonly #listeners: Listener[] = [];
  readonly #connections = new Set<NbdConnection>();
  #connectionCount = 0;
  #closing: Promise<void> | null = null;
  #allClosed: (() => void) | null = null;

  /** @throws BlkError EINVAL without exports, for two of one name, for a limit below 1, or a negative time. */
  constructor(options: NbdServerOptions) {
    checkLimits(options);
    const exports = serveExports(options.exports);
    this.#executor = exports[0]!.layer.executor;
    this.#maxConnections = options.maxConnections ?? 64;
    this.#closeGraceMs = options.closeGraceMs ?? 5000;
    this.#onEvent = options.onEvent ?? (() => {});
    this.#host = {
      exports,
      buffers: this.#buffers,
      executor: this.#executor,
      maxInFlight: options.maxInFlight ?? 64,
      maxInFlightBytes: options.maxInFlightBytes ?? 32 * 1024 * 1024,
      handshakeTimeoutMs: options.handshakeTimeoutMs ?? 30_000,
      emit: this.#onEvent,
      connectionClosed: (connection) => this.#connectionClosed(connection),
    };
  }

  /** Clients connected now, and those that were cut off while the device still works on their requests. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Memory that requests in flight hold now, in bytes. */
  get inFlightBytes(): number {
    return this.#buffers.inUseBytes;
  }

  /**
   * Listens on one more address and returns it, with the port the system chose for port 0. A unix socket without a
   * listener is replaced.
   *
   * @throws BlkError EBUSY when the address is taken, ENOENT, EPERM, EINVAL for one that cannot be; ESHUTDOWN after
   *   `close`, also when that comes before this is done.
   */
  async listen(address: NbdAddress): Promise<NbdAddress> {
    this.#expectOpen();
    const server = createServer({ allowHalfOpen: true, ...TCP_OPTIONS }, (socket) => this.#accept(socket));
    const listening = listenOn(server, address);
    // Known before it listens, so that a `close` in between closes it too.
    this.#listeners.push({ server, listening });
    const bound = await listening;
    server.on("error", (error) => this.#onEvent({ type: "accept-failed", detail: error.message }));
    this.#expectOpen();
    return bound;
  }

  /**
   * Stops accepting, lets every request in flight finish, also those of clients that were cut off, and sends the
   * replies, then closes the connections; those that take longer than the grace time are cut. Unix sockets are removed.
   * Flushes nothing by itself. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #expectOpen(): void {
    if (this.#closing !== null) throw new BlkError("ESHUTDOWN", "nbd_listen", "the server is closed");
  }

  /** An abandoned connection says so twice. */
  #connectionClosed(connection: NbdConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#allClosed?.();
  }

  #accept(socket: Socket): void {
    const peer = socket.remoteAddress === undefined ? "unix" : `${socket.remoteAddress}:${socket.remotePort}`;
    if (this.#closing !== null || this.#connections.size >= this.#maxConnections) {
      socket.on("error", () => {});
      socket.destroy();
      return this.#onEvent({ type: "refused", peer, maxConnections: this.#maxConnections });
    }
    this.#connectionCount++;
    this.#onEvent({ type: "connect", connection: this.#connectionCount, peer });
    this.#connections.add(new NbdConnection(this.#host, socket, this.#connectionCount));
  }

  async #close(): Promise<void> {
    const listenersClosed = this.#listeners.map(closeListener);
    await this.#closeConnections();
    await Promise.all(listenersClosed);
  }

  async #closeConnections(): Promise<void> {
    if (this.#connections.size === 0) return;
    const allClosed = new Promise<void>((resolve) => {
      this.#allClosed = resolve;
    });
    const grace = new Timer(() => {
      for (const connection of this.#connections) connection.abandon("the server closes");
    });
    this.#executor.addTimer(grace, this.#closeGraceMs);
    for (const connection of this.#connections) connection.shutDown();
    await allClosed;
    this.#executor.cancelTimer(grace);
  }
}

/** Once it listens or has failed to: Node closes no server that is about to listen. */
async function closeListener({ server, listening }: Listener): Promise<void> {
  await listening.catch(() => {});
  await new Promise((resolve) => server.close(resolve));
}

function checkLimits(options: NbdServerOptions): void {
  for (const name of ["maxInFlight", "maxInFlightBytes", "maxConnections"] as const) {
    const limit = options[name] ?? 1;
    if (!Number.isSafeInteger(limit) || limit < 1) {
      throw new BlkError("EINVAL", "nbd_server", `${name} is ${limit}, expected a whole number of 1 or more`);
    }
  }
  for (const name of ["handshakeTimeoutMs", "closeGraceMs"] as const) {
    const delayMs = options[name] ?? 0;
    if (!(delayMs >= 0)) throw new BlkError("EINVAL", "nbd_server", `${name} is ${delayMs}, expected 0 or more`);
  }
}

/** Exports of one disk share a range lock, so that partitions and doubly exported volumes respect each other. */
function serveExports(exports: readonly NbdExport[]): ServedExport[] {
  if (exports.length === 0) throw new BlkError("EINVAL", "nbd_server", "there is nothing to export");
  const locks = new Map<GenDisk, RangeLock>();
  const names = new Set<string>();
  return exports.map((options) => {
    if (names.has(options.name)) {
      throw new BlkError("EINVAL", "nbd_server", `two exports are named ${JSON.stringify(options.name)}`);
    }
    names.add(options.name);
    const { disk } = options.volume.bdev;
    const lock = locks.get(disk) ?? new RangeLock();
    locks.set(disk, lock);
    return new ServedExport(options, lock);
  });
}
