import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { GREETING, hex } from "./raw-client.js";

const REQUEST_BYTES = 28;
const [READ, WRITE, DISC] = [0, 1, 2] as const;

/** A request as it came over the wire. */
export interface WireRequest {
  type: number;
  offset: number;
  bytes: number;
}

/** A server written by hand over an array, which announces a maximum of its own and keeps a record. */
export class SmallServer {
  readonly seen: WireRequest[] = [];
  readonly #server: Server;
  readonly #sockets: Socket[] = [];

  private constructor(medium: Uint8Array, maximumBytes: number) {
    this.#server = createServer((socket) => {
      this.#sockets.push(socket);
      socket.on("error", () => {});
      socket.write(hex(GREETING));
      const conversation = converse(medium, maximumBytes, this.seen, socket);
      conversation.next(Buffer.alloc(0));
      socket.on("data", (chunk) => conversation.next(chunk));
    });
  }

  static async start(path: string, medium: Uint8Array, maximumBytes: number): Promise<SmallServer> {
    const small = new SmallServer(medium, maximumBytes);
    small.#server.listen(path);
    await once(small.#server, "listening");
    return small;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** The server's side of one connection; it is handed what the client says, chunk by chunk. */
function* converse(
  medium: Uint8Array,
  maximumBytes: number,
  seen: WireRequest[],
  socket: Socket,
): Generator<void, void, Buffer> {
  let received: Buffer = Buffer.alloc(0);
  function* take(bytes: number): Generator<void, Buffer, Buffer> {
    while (received.length < bytes) received = Buffer.concat([received, yield]);
    const taken = received.subarray(0, bytes);
    received = received.subarray(bytes);
    return taken;
  }

  yield* take(4);
  const option = yield* take(16);
  yield* take(option.readUInt32BE(12));
  socket.write(goReply(medium.length, maximumBytes));
  for (;;) {
    const header = yield* take(REQUEST_BYTES);
    const type = header.readUInt16BE(6);
    if (type === DISC) return;
    const [offset, bytes] = [Number(header.readBigUInt64BE(16)), header.readUInt32BE(24)];
    seen.push({ type, offset, bytes });
    if (type === WRITE) medium.set(yield* take(bytes), offset);
    socket.write(Buffer.concat([hex("67446698 00000000"), header.subarray(8, 16)]));
    if (type === READ) socket.write(medium.slice(offset, offset + bytes));
  }
}

/** INFO_EXPORT, INFO_BLOCK_SIZE and ACK in reply to GO. */
function goReply(exportBytes: number, maximumBytes: number): Buffer {
  const reply = "0003e889045565a9 00000007";
  const size = exportBytes.toString(16).padStart(16, "0");
  const maximum = maximumBytes.toString(16).padStart(8, "0");
  return hex(
    `${reply} 00000003 0000000c 0000 ${size} 000f` +
      `${reply} 00000003 0000000e 0003 00000001 00001000 ${maximum}` +
      `${reply} 00000001 00000000`,
  );
}
