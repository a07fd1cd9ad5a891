import { type Medium, type MediumDone, MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";

/** A medium in memory without a view of it, whose operations end only when the test says so, and as it says. */
export class HeldMedium implements Medium {
  readonly memory: MemoryMedium;
  readonly waiting: { op: string; bytes: number; end: (ok: boolean) => void }[] = [];

  constructor(bytes: number) {
    this.memory = new MemoryMedium(bytes);
  }

  get bytes(): number {
    return this.memory.bytes;
  }

  read(offset: number, into: Uint8Array, done: MediumDone): void {
    this.#hold("read", into.length, done, () => this.memory.read(offset, into, done));
  }

  write(offset: number, from: Uint8Array, done: MediumDone): void {
    this.#hold("write", from.length, done, () => this.memory.write(offset, from, done));
  }

  flush(done: MediumDone): void {
    this.#hold("flush", 0, done, () => this.memory.flush(done));
  }

  discard(offset: number, bytes: number, done: MediumDone): void {
    this.#hold("discard", bytes, done, () => this.memory.discard(offset, bytes, done));
  }

  /** Ends the oldest operation; returns which it was. */
  release(ok = true): string {
    const first = this.waiting.shift();
    if (first === undefined) throw new Error("the medium has nothing to do");
    first.end(ok);
    return first.op;
  }

  #hold(op: string, bytes: number, done: MediumDone, succeed: () => void): void {
    this.waiting.push({ op, bytes, end: (ok) => (ok ? succeed() : done(false)) });
  }
}
