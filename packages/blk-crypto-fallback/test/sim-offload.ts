import { Timer } from "@inlinecrypt/blk-core";
import type { SimExecutor } from "@inlinecrypt/blk-core/sim-executor";
import type { OffloadEngine, OffloadSkcipher, SharedMemory, Skcipher, SkcipherRequest } from "@inlinecrypt/skcipher";
import { expect } from "vitest";
import { WatchedCipher, WatchedEngine } from "./support.ts";

type Op = "encrypt" | "decrypt";

/** A request that a helper has and has not done. */
interface Pending {
  readonly cipher: SimOffloadCipher;
  readonly op: Op;
  readonly request: SkcipherRequest;
}

/** An engine whose helper computes when the test says so, or in simulated time. */
export class SimOffloadEngine extends WatchedEngine implements OffloadEngine {
  declare alloc: (cipherName: string) => SimOffloadCipher;
  /** From how many bytes on requests are better computed by the helper. */
  threshold = 4096;
  /** How many requests the helper takes at a time. */
  room: number = Number.POSITIVE_INFINITY;
  /** Thrown by the next submission of a request. */
  refusal: Error | null = null;
  readonly pending: Pending[] = [];
  readonly memories: SharedMemory[] = [];
  #time: { executor: SimExecutor; latencyMs: () => number } | null = null;

  /** From now on each request takes so long. */
  runOn(executor: SimExecutor, latencyMs: () => number): void {
    this.#time = { executor, latencyMs };
  }

  protected override newCipher(cipherName: string, inner: Skcipher): SimOffloadCipher {
    return new SimOffloadCipher(this, cipherName, inner);
  }

  allocShared(bytes: number): SharedMemory {
    const memory = { bytes: new Uint8Array(new SharedArrayBuffer(bytes)), index: this.memories.length };
    this.memories.push(memory);
    return memory;
  }

  take(pending: Pending): void {
    const { refusal } = this;
    this.refusal = null;
    if (refusal !== null) throw refusal;
    this.pending.push(pending);
    const { executor, latencyMs } = this.#time ?? {};
    if (executor === undefined) return;
    const done = (): void => this.finish(this.pending.indexOf(pending));
    executor.addTimer(new Timer(done), latencyMs!());
  }

  /** The helper has done the request at `index`, or failed half-way. */
  finish(index = 0, error: Error | null = null): void {
    const [{ cipher, op, request }] = this.pending.splice(index, 1) as [Pending];
    expect(cipher.keyed, "nobody takes the key away meanwhile").toBe(true);
    const bytes = error === null ? request.bytes : request.dataUnitBytes;
    const data = request.memory!.bytes.subarray(0, bytes);
    if (bytes > 0) cipher[op](data, data, request.dataUnitBytes, request.dun);
    request.complete(error);
  }
}

class SimOffloadCipher extends WatchedCipher implements OffloadSkcipher {
  readonly #engine: SimOffloadEngine;

  constructor(engine: SimOffloadEngine, name: string, inner: Skcipher) {
    super(engine, name, inner);
    this.#engine = engine;
  }

  offloads(bytes: number): boolean {
    return bytes >= this.#engine.threshold && this.#engine.pending.length < this.#engine.room;
  }

  encryptOff(request: SkcipherRequest): void {
    this.#engine.take({ cipher: this, op: "encrypt", request });
  }

  decryptOff(request: SkcipherRequest): void {
    this.#engine.take({ cipher: this, op: "decrypt", request });
  }
}
