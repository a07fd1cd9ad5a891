import { availableParallelism } from "node:os";
import type { SkcipherEngine, SkcipherEngineStatus } from "../skcipher-engine.js";
import { SkcipherError } from "../skcipher-error.js";
import type { OffloadEngine, OffloadSkcipher, SharedMemory } from "../skcipher-offload.js";
import { WorkerPool } from "./worker-pool.js";
import { WorkerSkcipher } from "./worker-skcipher.js";

export interface NodeWorkerEngineOptions {
  /**
   * Most worker threads. They are started when large requests come; each takes about 10 MB.
   *
   * @default one less than the machine has CPUs for, at least 1 and at most 4
   */
  workerCount?: number;
}

/**
 * The engine `"node"` with threads: large requests can be computed beside the event loop, which then has time for other
 * things. Close it with `await using` or `Symbol.asyncDispose`; its threads do not keep a process alive that is idle.
 */
export class NodeWorkerEngine implements OffloadEngine {
  readonly name = "node-worker";
  readonly #inner: SkcipherEngine;
  readonly #workerCount: number;
  readonly #pool: WorkerPool;

  /** @throws SkcipherError `EINVAL`: a worker count below 1. */
  constructor(inner: SkcipherEngine, options: NodeWorkerEngineOptions = {}) {
    const { workerCount = Math.min(Math.max(availableParallelism() - 1, 1), 4) } = options;
    if (!Number.isInteger(workerCount) || workerCount < 1) {
      throw new SkcipherError("EINVAL", "createNodeWorkerEngine", `workerCount is ${workerCount}, expected 1 or more`);
    }
    this.#inner = inner;
    this.#workerCount = workerCount;
    this.#pool = new WorkerPool(inner.ciphers, workerCount);
  }

  get ciphers(): readonly string[] {
    return this.#inner.ciphers;
  }

  supports(cipherName: string): boolean {
    return this.#inner.supports(cipherName);
  }

  alloc(cipherName: string): OffloadSkcipher {
    return new WorkerSkcipher(this.#inner.alloc(cipherName), this.#pool, this.ciphers.indexOf(cipherName));
  }

  allocShared(bytes: number): SharedMemory {
    return this.#pool.allocShared(bytes);
  }

  describe(): SkcipherEngineStatus {
    const inner = this.#inner.describe();
    const closed = this.#pool.closedBecause;
    const threads = closed === null ? `up to ${this.#workerCount} worker threads` : `no worker threads: ${closed}`;
    return { ...inner, name: this.name, detail: `${inner.detail}; ${threads}` };
  }

  /** Ends the threads; requests under way fail, further ones are computed on the event loop. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close();
  }
}
