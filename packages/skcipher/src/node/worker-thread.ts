import { Worker } from "node:worker_threads";
import { SkcipherError } from "../skcipher-error.js";
import type { SkcipherRequest } from "../skcipher-offload.js";
import { JOBS_PER_WORKER, type JobOp, WorkerJobs } from "./worker-job.js";

/** What a worker is started with. */
export interface WorkerStart {
  readonly jobs: SharedArrayBuffer;
  readonly memories: readonly Uint8Array[];
  readonly cipherNames: readonly string[];
}

/** Told once, when the thread is no more; `failedStart` is why it never was ready, null when it was. */
export type ThreadGone = (thread: object, failedStart: string | null) => void;

/** One worker and its jobs, which it does in order. It keeps the process alive only while it has some. */
export class WorkerThread {
  readonly #worker: Worker;
  readonly #jobs = new WorkerJobs();
  /** The requests of the jobs, at the same places of the ring. */
  readonly #requests: (SkcipherRequest | null)[] = new Array(JOBS_PER_WORKER).fill(null);
  readonly #gone: ThreadGone;
  #posted = 0;
  #done = 0;
  #ready = false;
  #reason = "it was terminated";

  constructor(memories: readonly Uint8Array[], cipherNames: readonly string[], gone: ThreadGone) {
    this.#gone = gone;
    const start: WorkerStart = { jobs: this.#jobs.shared, memories, cipherNames };
    // Without the process's own flags: some, such as --input-type, forbid workers.
    const options = { name: "skcipher", workerData: start, execArgv: [] };
    this.#worker = new Worker(new URL("./worker-entry.js", import.meta.url), options);
    this.#worker.on("message", (failure: string | null) => this.#answered(failure));
    this.#worker.on("error", (error: Error) => {
      this.#reason = error.message;
    });
    this.#worker.on("exit", () => this.#exited());
    this.#worker.unref();
  }

  /** Whether it takes jobs: it has started, and not ended. */
  get isReady(): boolean {
    return this.#ready;
  }

  get inFlight(): number {
    return this.#posted - this.#done;
  }

  /** Announces memory that was not there when the thread was started. */
  addMemory(bytes: Uint8Array): void {
    this.#worker.postMessage(bytes);
  }

  /** Only when it is ready and has room: `inFlight` below `JOBS_PER_WORKER`. */
  post(op: JobOp, cipher: number, key: Uint8Array, request: SkcipherRequest): void {
    const job = this.#jobs.at(this.#posted);
    job.set(op, cipher, request.memory!.index, request.bytes, request.dataUnitBytes);
    job.dun.set(request.dun);
    job.setKey(key);
    this.#requests[this.#posted % JOBS_PER_WORKER] = request;
    if (this.inFlight === 0) this.#worker.ref();
    this.#posted++;
    Atomics.store(this.#jobs.bell, 0, this.#posted);
    Atomics.notify(this.#jobs.bell, 0);
  }

  /** Ends the thread; jobs it has not done fail. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  /** The first answer says that it has started; each further one that the oldest job is done. */
  #answered(failure: string | null): void {
    if (!this.#ready) {
      this.#ready = true;
      return;
    }
    this.#complete(failure === null ? null : new SkcipherError("EIO", "worker", failure));
  }

  #complete(error: Error | null): void {
    const at = this.#done % JOBS_PER_WORKER;
    const request = this.#requests[at]!;
    this.#requests[at] = null;
    this.#done++;
    if (this.inFlight === 0) this.#worker.unref();
    request.complete(error);
  }

  #exited(): void {
    const failedStart = this.#ready ? null : this.#reason;
    this.#ready = false;
    this.#jobs.wipeKeys();
    this.#gone(this, failedStart);
    while (this.inFlight > 0) this.#complete(new SkcipherError("EIO", "worker", `the thread ended: ${this.#reason}`));
  }
}
