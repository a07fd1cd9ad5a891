import { type Bio, BioList, type Executor } from "@inlinecrypt/blk-core";
import { NullCmd } from "./null-cmd.js";

/** Ends bios after a while, at most so many at a time; more wait in line. */
export class DelayedBios {
  readonly #executor: Executor;
  readonly #delayMs: number;
  readonly #idleCmds: NullCmd<Bio>[] = [];
  readonly #waiting = new BioList();
  #busy = 0;
  #onIdle: (() => void) | null = null;

  constructor(executor: Executor, delayMs: number, depth: number) {
    this.#executor = executor;
    this.#delayMs = delayMs;
    for (let index = 0; index < depth; index++) {
      const cmd = new NullCmd<Bio>((bio) => this.#end(cmd, bio));
      this.#idleCmds.push(cmd);
    }
  }

  submit(bio: Bio): void {
    this.#busy++;
    const cmd = this.#idleCmds.pop();
    if (cmd === undefined) this.#waiting.append(bio);
    else cmd.start(this.#executor, bio, this.#delayMs);
  }

  /** Resolves when all bios have ended; for a device that takes no more, once. */
  async drained(): Promise<void> {
    if (this.#busy === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #end(cmd: NullCmd<Bio>, bio: Bio): void {
    const next = this.#waiting.shift();
    if (next === null) this.#idleCmds.push(cmd);
    else cmd.start(this.#executor, next, this.#delayMs);
    bio.endIo();
    this.#busy--;
    if (this.#busy === 0) this.#onIdle?.();
  }
}
