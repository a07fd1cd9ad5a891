import { createHash } from "node:crypto";
import type { NbdClient } from "@inlinecrypt/nbd";
import { CHUNK_BYTES, type DemoSource } from "./demo-source.js";

/** Chunks under way at a time. */
const WINDOW_CHUNKS = 16;

/** What went one way. */
export interface Transfer {
  readonly sha256: string;
  /** How long it took, without the hashing that only this comparison needs. */
  readonly seconds: number;
}

/** Stores all of `source` from the disk's start and flushes. `progress` hears of bytes as they pass, and may throw. */
export async function store(
  client: NbdClient,
  source: DemoSource,
  progress: (chunk: Uint8Array, byteOffset: number) => void,
): Promise<Transfer> {
  const meter = new Meter();
  const window = new Window();
  let byteOffset = 0;
  for await (const chunk of source.chunks()) {
    progress(chunk, byteOffset);
    await window.add(client.write(byteOffset, chunk));
    meter.hash(chunk);
    byteOffset += chunk.length;
  }
  await window.drain();
  await client.flush();
  return meter.finish();
}

/** Reads the first `bytes` of the disk back. */
export async function fetch(
  client: NbdClient,
  bytes: number,
  progress: (chunk: Uint8Array, byteOffset: number) => void,
): Promise<Transfer> {
  const meter = new Meter();
  let done = 0;
  const window = new Window((chunk: Uint8Array) => {
    progress(chunk, done);
    meter.hash(chunk);
    done += chunk.length;
  });
  // A buffer is free again when the window has room: its request is as many before this one as there are buffers.
  const buffers = Array.from({ length: WINDOW_CHUNKS }, () => new Uint8Array(Math.min(CHUNK_BYTES, bytes)));
  for (let byteOffset = 0, index = 0; byteOffset < bytes; byteOffset += CHUNK_BYTES, index++) {
    const buffer = buffers[index % WINDOW_CHUNKS]!;
    await window.add(client.read(byteOffset, buffer.subarray(0, bytes - byteOffset)));
  }
  await window.drain();
  return meter.finish();
}

/** Keeps a bounded number of requests under way, and settles them in order. */
class Window<Value> {
  readonly #pending: Promise<Value>[] = [];
  readonly #settled: (value: Value) => void;

  constructor(settled: (value: Value) => void = () => {}) {
    this.#settled = settled;
  }

  /** Resolves when there is room for one more. */
  async add(request: Promise<Value>): Promise<void> {
    // Its turn to be awaited may come after it has failed.
    request.catch(() => {});
    this.#pending.push(request);
    while (this.#pending.length >= WINDOW_CHUNKS) this.#settled(await this.#pending.shift()!);
  }

  async drain(): Promise<void> {
    while (this.#pending.length > 0) this.#settled(await this.#pending.shift()!);
  }
}

/** Hashes what passes, and takes the time of everything else. */
class Meter {
  readonly #hash = createHash("sha256");
  readonly #startMs = performance.now();
  #hashingMs = 0;

  hash(chunk: Uint8Array): void {
    const startMs = performance.now();
    this.#hash.update(chunk);
    this.#hashingMs += performance.now() - startMs;
  }

  finish(): Transfer {
    const seconds = (performance.now() - this.#startMs - this.#hashingMs) / 1000;
    return { sha256: this.#hash.digest("hex"), seconds };
  }
}
