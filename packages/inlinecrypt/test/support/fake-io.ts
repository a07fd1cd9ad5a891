import { EventEmitter } from "node:events";
import { Readable, Writable } from "node:stream";
import type { CommandIo } from "../../src/command/command-io.js";

/** Collects what is written; waits for text to come. */
export class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  #waiting: (() => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.chunks.push(Buffer.from(chunk));
    for (const wake of this.#waiting.splice(0)) wake();
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }

  async waitFor(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) return match;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }
}

/** A process's streams and signals, in memory. */
export class FakeIo implements CommandIo {
  readonly stdin: Readable;
  readonly stdout: Sink = new Sink();
  readonly stderr: Sink = new Sink();
  readonly env: Record<string, string> = {};
  readonly signals: EventEmitter = new EventEmitter();
  readonly exits: number[] = [];
  /** What the clock shows. */
  timeMs = 0;
  readonly nowMs = (): number => this.timeMs;
  readonly exitNow = (code: number): void => void this.exits.push(code);

  constructor(input: Iterable<Uint8Array> = []) {
    this.stdin = Readable.from(input, { objectMode: false });
  }
}
