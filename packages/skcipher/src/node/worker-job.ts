import { secretCopy } from "../secret-bytes.js";
import { DUN_LIMBS } from "../skcipher.js";

/** Requests a worker has at a time; a power of two. The one it works on, and those it takes up next by itself. */
export const JOBS_PER_WORKER = 16;

/** What a job does. */
export const JobOp = { ENCRYPT: 0, DECRYPT: 1 } as const;
export type JobOp = (typeof JobOp)[keyof typeof JobOp];

/** The longest key of the kernel's modes. @kernel include/linux/blk-crypto.h: BLK_CRYPTO_MAX_RAW_KEY_SIZE */
const MAX_KEY_BYTES = 64;

const PARAMETER_WORDS = 6;
const DUN_AT = 4 * PARAMETER_WORDS;
const KEY_AT = DUN_AT + 4 * DUN_LIMBS;
const JOB_BYTES = KEY_AT + MAX_KEY_BYTES;
/** The bell has a cache line for itself. */
const HEADER_BYTES = 64;

/** One job as both threads see it. It holds a key from when it is posted until the worker takes it up. */
export class WorkerJob {
  readonly dun: Uint32Array;
  readonly #parameters: Int32Array;
  readonly #key: Uint8Array;

  constructor(shared: SharedArrayBuffer, at: number) {
    this.#parameters = new Int32Array(shared, at, PARAMETER_WORDS);
    this.dun = new Uint32Array(shared, at + DUN_AT, DUN_LIMBS);
    this.#key = new Uint8Array(shared, at + KEY_AT, MAX_KEY_BYTES);
  }

  /** `cipher` and `memory` are numbers that both threads know them by. */
  set(op: JobOp, cipher: number, memory: number, bytes: number, dataUnitBytes: number): void {
    const words = this.#parameters;
    words[0] = op;
    words[1] = cipher;
    words[2] = memory;
    words[3] = bytes;
    words[4] = dataUnitBytes;
  }

  get op(): JobOp {
    return this.#parameters[0] as JobOp;
  }

  get cipher(): number {
    return this.#parameters[1]!;
  }

  get memory(): number {
    return this.#parameters[2]!;
  }

  get bytes(): number {
    return this.#parameters[3]!;
  }

  get dataUnitBytes(): number {
    return this.#parameters[4]!;
  }

  setKey(key: Uint8Array): void {
    this.#parameters[5] = key.length;
    this.#key.set(key);
  }

  /** Lends a private copy of the key, of which nothing is left afterwards, here or there. */
  takeKey(use: (key: Uint8Array) => void): void {
    const key = secretCopy(this.#key.subarray(0, this.#parameters[5]!));
    this.wipeKey();
    try {
      use(key);
    } finally {
      key.fill(0);
    }
  }

  wipeKey(): void {
    this.#key.fill(0);
  }
}

/** The jobs of one worker, a ring, and a bell that counts those posted so far, modulo 2^32. */
export class WorkerJobs {
  readonly shared: SharedArrayBuffer;
  readonly bell: Int32Array;
  readonly #ring: WorkerJob[] = [];

  constructor(shared: SharedArrayBuffer = new SharedArrayBuffer(HEADER_BYTES + JOBS_PER_WORKER * JOB_BYTES)) {
    this.shared = shared;
    this.bell = new Int32Array(shared, 0, 1);
    for (let index = 0; index < JOBS_PER_WORKER; index++) {
      this.#ring.push(new WorkerJob(shared, HEADER_BYTES + index * JOB_BYTES));
    }
  }

  /** The place of the job with this number, counted from 0, modulo 2^32. */
  at(number: number): WorkerJob {
    return this.#ring[number & (JOBS_PER_WORKER - 1)]!;
  }

  wipeKeys(): void {
    for (const job of this.#ring) job.wipeKey();
  }
}
