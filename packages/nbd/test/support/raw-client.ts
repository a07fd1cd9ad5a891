import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { NbdAddress } from "../../src/index.js";

/** Bytes written by hand: hex digits, spaces as one likes. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** What every server says first. */
export const GREETING: string = "4e42444d41474943 49484156454f5054 0003".replaceAll(" ", "");

/** Client flags FIXED_NEWSTYLE and NO_ZEROES. */
export const CLIENT_FLAGS = "00000003";

/** The header of an option: IHAVEOPT, number, length. */
export function optionHex(option: number, dataHex = ""): string {
  const data = dataHex.replaceAll(/\s/g, "");
  return `49484156454f5054${u32(option)}${u32(data.length / 2)}${data}`;
}

/** EXPORT_NAME with the name's bytes, the shortest way into the transmission phase. */
export function exportNameHex(name: string): string {
  return optionHex(1, toHex(Buffer.from(name)));
}

export interface RawRequest {
  type: number;
  flags?: number;
  cookie?: string;
  offset?: number | bigint;
  bytes?: number;
}

/** A request's 28 bytes, put together here and not by the code under test. */
export function requestHex({
  type,
  flags = 0,
  cookie = "0000000000000001",
  offset = 0,
  bytes = 0,
}: RawRequest): string {
  return `25609513${u16(flags)}${u16(type)}${cookie}${BigInt(offset).toString(16).padStart(16, "0")}${u32(bytes)}`;
}

export function replyHex(error: number, cookie = "0000000000000001"): string {
  return `67446698${u32(error)}${cookie}`;
}

function u16(value: number): string {
  return value.toString(16).padStart(4, "0");
}

function u32(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/** A socket a test speaks hand-written NBD over. */
export class RawClient {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #receivedBytes = 0;
  #ended = false;
  #wake: () => void = () => {};

  constructor(address: NbdAddress) {
    this.socket = connect("unix" in address ? { path: address.unix } : address);
    this.socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      this.#receivedBytes += chunk.length;
      this.#wake();
    });
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Connects and goes through the handshake with EXPORT_NAME. */
  static async transmission(address: NbdAddress, name = ""): Promise<RawClient> {
    const client = new RawClient(address);
    client.send(`${CLIENT_FLAGS}${exportNameHex(name)}`);
    await client.read(18 + 10);
    return client;
  }

  send(data: string | Uint8Array): void {
    this.socket.write(typeof data === "string" ? hex(data) : data);
  }

  /** The next `bytes` bytes. */
  async read(bytes: number): Promise<Buffer> {
    while (this.#receivedBytes < bytes) {
      if (this.#ended) throw new Error(`the server closed after ${this.#receivedBytes} of ${bytes} bytes`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const received = Buffer.concat(this.#chunks);
    this.#chunks = [received.subarray(bytes)];
    this.#receivedBytes -= bytes;
    return received.subarray(0, bytes);
  }

  async readHex(bytes: number): Promise<string> {
    return toHex(await this.read(bytes));
  }

  /** Bytes received and not read. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Everything up to the end of the connection. */
  async readToEnd(): Promise<Buffer> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.read(this.#receivedBytes);
  }

  /** Sends a request with its payload, and returns the error and the data of the reply. */
  async request(
    request: RawRequest,
    payload: Uint8Array = Buffer.alloc(0),
    dataBytes = 0,
  ): Promise<{ error: number; data: Buffer }> {
    this.send(Buffer.concat([hex(requestHex(request)), payload]));
    const reply = await this.read(16);
    const error = reply.readUInt32BE(4);
    return { error, data: await this.read(error === 0 ? dataBytes : 0) };
  }

  async destroy(): Promise<void> {
    if (this.socket.closed) return;
    this.socket.destroy();
    await once(this.socket, "close");
  }
}
