import { randomBytes } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NbdClient } from "@inlinecrypt/nbd";
import { buildStack, type Stack } from "../stack/build-stack.js";
import type { StackDefinition } from "../stack/stack-definition.js";
import { Unwinder } from "../stack/unwinder.js";

/** As `serve` has it by default. */
export const DEMO_MODE = "AES-256-XTS";
export const DEMO_DATA_UNIT_BYTES = 4096;

const KEY_BYTES = 64;

/** A throw-away disk that is being served, and a client of it. */
export class DemoDisk implements AsyncDisposable {
  readonly stack: Stack;
  readonly client: NbdClient;
  /** The file that is the medium. */
  readonly imageFile: string;
  readonly #unwinder: Unwinder;

  private constructor(stack: Stack, client: NbdClient, imageFile: string, unwinder: Unwinder) {
    this.stack = stack;
    this.client = client;
    this.imageFile = imageFile;
    this.#unwinder = unwinder;
  }

  /** Makes a key and a sparse disk for `bytes` in a folder, serves it there, and connects. */
  static async open(folder: string, bytes: number): Promise<DemoDisk> {
    const unwinder = new Unwinder();
    try {
      await writeRandomKey(join(folder, "demo.key"));
      const stack = await buildStack(stackIn(folder, roundUp(bytes)));
      unwinder.defer(() => stack.close());
      const client = await NbdClient.connect({ unix: join(folder, "demo.sock") }, { exportName: "demo" });
      unwinder.defer(() => client.close());
      return new DemoDisk(stack, client, join(folder, "demo.img"), unwinder);
    } catch (error) {
      await unwinder.unwind();
      throw error;
    }
  }

  /** Reads the medium itself, past server and cipher. */
  async readMedium(byteOffset: number, bytes: number): Promise<Uint8Array> {
    const file = await open(this.imageFile, "r");
    try {
      const medium = new Uint8Array(bytes);
      await file.read(medium, 0, bytes, byteOffset);
      return medium;
    } finally {
      await file.close();
    }
  }

  /** Ends the client and the server, and wipes the key. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#unwinder.unwind();
  }
}

async function writeRandomKey(path: string): Promise<void> {
  const key = randomBytes(KEY_BYTES);
  try {
    await writeFile(path, key, { flag: "wx", mode: 0o600 });
  } finally {
    key.fill(0);
  }
}

function stackIn(folder: string, size: number): StackDefinition {
  return {
    version: 1,
    devices: { disk: { driver: "loop", file: join(folder, "demo.img"), size } },
    keys: { key: { mode: DEMO_MODE, dataUnitSize: DEMO_DATA_UNIT_BYTES, file: join(folder, "demo.key") } },
    volumes: { demo: { device: "disk", key: "key" } },
    exports: [{ volume: "demo", nbd: { unix: join(folder, "demo.sock") } }],
  };
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / DEMO_DATA_UNIT_BYTES) * DEMO_DATA_UNIT_BYTES;
}
