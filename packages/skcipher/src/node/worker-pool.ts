import type { SharedMemory, SkcipherRequest } from "../skcipher-offload.js";
import { JOBS_PER_WORKER, type JobOp } from "./worker-job.js";
import { type ThreadGone, WorkerThread } from "./worker-thread.js";

/** What a pool needs of a thread: see `WorkerThread`. */
export type PoolThread = Pick<WorkerThread, "isReady" | "inFlight" | "addMemory" | "post" | "terminate">;

/** Starts a thread that knows these memories and ciphers by their indexes, and says when it is gone. */
export type StartThread = (
  memories: readonly Uint8Array[],
  cipherNames: readonly string[],
  gone: ThreadGone,
) => PoolThread;

const startWorker: StartThread = (memories, cipherNames, gone) => new WorkerThread(memories, cipherNames, gone);

/**
 * A few threads that en- and decrypt shared memory. They are started when there is work for them, and those that end are
 * replaced; if one cannot even start, no further one is tried.
 */
export class WorkerPool {
  readonly #cipherNames: readonly string[];
  readonly #workerCount: number;
  readonly #startThread: StartThread;
  readonly #memories: SharedMemory[] = [];
  readonly #threads: PoolThread[] = [];
  #closedBecause: string | null = null;
  #ended: Promise<void> | null = null;
  readonly #onGone: ThreadGone = (thread, failedStart) => {
    const at = this.#threads.indexOf(thread as PoolThread);
    if (at >= 0) this.#threads.splice(at, 1);
    if (failedStart !== null) this.#cannotStart(failedStart);
  };

  constructor(cipherNames: readonly string[], workerCount: number, startThread: StartThread = startWorker) {
    this.#cipherNames = cipherNames;
    this.#workerCount = workerCount;
    this.#startThread = startThread;
  }

  /** Why no thread will be started any more; null while one may be. */
  get closedBecause(): string | null {
    return this.#closedBecause;
  }

  allocShared(bytes: number): SharedMemory {
    const memory = { bytes: new Uint8Array(new SharedArrayBuffer(bytes)), index: this.#memories.length };
    this.#memories.push(memory);
    for (const thread of this.#threads) thread.addMemory(memory.bytes);
    return memory;
  }

  /** Whether the memory is one of this pool's. */
  owns(memory: SharedMemory | null): boolean {
    return memory !== null && this.#memories[memory.index] === memory;
  }

  /** Whether there is room for a request now. Starts another thread when all there are have work. */
  hasRoom(): boolean {
    const thread = this.#leastBusy();
    if (thread === null || thread.inFlight > 0) this.#startAnother();
    return thread !== null && thread.inFlight < JOBS_PER_WORKER;
  }

  /** Only right after `hasRoom` has said yes. */
  post(op: JobOp, cipher: number, key: Uint8Array, request: SkcipherRequest): void {
    this.#leastBusy()!.post(op, cipher, key, request);
  }

  /** Ends all threads for good; requests under way fail. From now on there is room for none, though threads take time to end. */
  close(): Promise<void> {
    this.#closedBecause ??= "it has been closed";
    this.#ended ??= Promise.all(this.#threads.splice(0).map((thread) => thread.terminate())).then(() => {});
    return this.#ended;
  }

  #leastBusy(): PoolThread | null {
    let best: PoolThread | null = null;
    for (let index = 0; index < this.#threads.length; index++) {
      const thread = this.#threads[index]!;
      if (thread.isReady && (best === null || thread.inFlight < best.inFlight)) best = thread;
    }
    return best;
  }

  #startAnother(): void {
    if (this.#closedBecause !== null || this.#threads.length === this.#workerCount) return;
    const memories = this.#memories.map((memory) => memory.bytes);
    try {
      this.#threads.push(this.#startThread(memories, this.#cipherNames, this.#onGone));
    } catch (error) {
      // A process may be denied threads: `node --permission`.
      this.#cannotStart((error as Error).message);
    }
  }

  #cannotStart(why: string): void {
    this.#closedBecause ??= `a thread could not start: ${why}`;
  }
}
