import { NbdClient } from "@inlinecrypt/nbd";
import { describe, expect, it } from "vitest";
import { Scratch, Serve } from "./support/serve.js";

const BLOCK_BYTES = 4096;
const BLOCKS = 4096;
const WRITERS = 8;
const BLOCKS_BEFORE_STOP = 400;

/** What block `index` is to hold: different in every block, so that a misplaced one shows. */
function contentOf(index: number): Uint8Array {
  const content = new Uint8Array(BLOCK_BYTES);
  new DataView(content.buffer).setUint32(0, index);
  for (let at = 4; at < BLOCK_BYTES; at++) content[at] = (index * 7 + at * 13) & 255;
  return content;
}

/** Blocks whose survival the server has promised, and the writing that goes on until the connection ends. */
interface Promised {
  readonly durable: Set<number>;
  /** Resolves when `BLOCKS_BEFORE_STOP` blocks are durable; writing goes on. */
  readonly enough: Promise<void>;
  /** Resolves when the connection has ended all writers. */
  readonly stopped: Promise<unknown>;
}

/** Writes block after block over one connection, several at a time, and notes each promise as it is made. */
function writeForEver(client: NbdClient, how: "FUA" | "flush"): Promised {
  const durable = new Set<number>();
  let next = 0;
  let sayEnough: () => void;
  const enough = new Promise<void>((resolve) => {
    sayEnough = resolve;
  });
  const writer = async (): Promise<void> => {
    while (next < BLOCKS) {
      const mine: number[] = [];
      for (let count = 0; count < 4; count++) {
        const index = next++;
        await client.write(index * BLOCK_BYTES, contentOf(index), { fua: how === "FUA" });
        mine.push(index);
      }
      if (how === "flush") await client.flush();
      for (const index of mine) durable.add(index);
      if (durable.size >= BLOCKS_BEFORE_STOP) sayEnough();
    }
  };
  const stopped = Promise.allSettled(Array.from({ length: WRITERS }, writer));
  return { durable, enough, stopped };
}

describe("serve stopped during writes", () => {
  it.each([
    ["SIGTERM", "FUA", 0],
    ["SIGTERM", "flush", 0],
    ["SIGKILL", "FUA", "SIGKILL"],
    ["SIGKILL", "flush", "SIGKILL"],
  ] as const)(
    "by %s keeps every write acknowledged with %s",
    async (signal, how, exit) => {
      using scratch = new Scratch();
      const socket = scratch.path("s.sock");
      const args = [
        ...["--file", scratch.path("disk.img"), "--size", `${BLOCKS * BLOCK_BYTES}`],
        ...["--key-file", scratch.keyFile().path, "--listen", `unix:${socket}`, "--export", "disk"],
      ];
      const first = await Serve.start(...args);
      const writing = writeForEver(await NbdClient.connect({ unix: socket }, { exportName: "disk" }), how);
      await writing.enough;
      expect(await first.stop(signal)).toBe(exit);
      await writing.stopped;
      expect(writing.durable.size).toBeLessThan(BLOCKS);

      await using second = await Serve.start(...args);
      const client = await NbdClient.connect({ unix: socket }, { exportName: "disk" });
      for (const index of writing.durable) {
        const found = await client.read(index * BLOCK_BYTES, BLOCK_BYTES);
        expect(Buffer.compare(found, contentOf(index)), `block ${index}`).toBe(0);
      }
      await client.close();
      expect(await second.stop("SIGTERM")).toBe(0);
    },
    60_000,
  );
});
