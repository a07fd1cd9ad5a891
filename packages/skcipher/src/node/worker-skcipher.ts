import { checkRequest } from "../check-request.js";
import { secretCopy } from "../secret-bytes.js";
import type { Skcipher } from "../skcipher.js";
import { SkcipherError } from "../skcipher-error.js";
import type { OffloadSkcipher, SkcipherRequest } from "../skcipher-offload.js";
import { JobOp } from "./worker-job.js";
import type { WorkerPool } from "./worker-pool.js";

/**
 * The smallest request worth handing over: some 0.1 ms of computing, or 0.3 ms of SM4, which is ten times as slow. A smaller
 * one saves the event loop hardly any time, and takes twice the CPU altogether (`bench/offload.bench.ts` of
 * blk-crypto-fallback).
 */
const MIN_OFFLOAD_BYTES = 131072;
const MIN_SM4_OFFLOAD_BYTES = 32768;

/** A cipher that computes on the event loop itself, and hands large requests to a pool of threads. */
export class WorkerSkcipher implements OffloadSkcipher {
  readonly #inner: Skcipher;
  readonly #pool: WorkerPool;
  /** What the threads know the cipher's name by. */
  readonly #cipherNumber: number;
  readonly #minOffloadBytes: number;
  /** Goes along with each request, so that threads need not remember keys. */
  #key: Uint8Array | null = null;

  constructor(inner: Skcipher, pool: WorkerPool, cipherNumber: number) {
    this.#inner = inner;
    this.#pool = pool;
    this.#cipherNumber = cipherNumber;
    this.#minOffloadBytes = inner.name === "xts(sm4)" ? MIN_SM4_OFFLOAD_BYTES : MIN_OFFLOAD_BYTES;
  }

  get name(): string {
    return this.#inner.name;
  }

  get keyBytes(): number {
    return this.#inner.keyBytes;
  }

  get ivBytes(): number {
    return this.#inner.ivBytes;
  }

  setKey(key: Uint8Array): void {
    this.#wipeKey();
    this.#inner.setKey(key);
    this.#key = secretCopy(key);
  }

  encrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#inner.encrypt(src, dst, dataUnitBytes, dun);
  }

  decrypt(src: Uint8Array, dst: Uint8Array, dataUnitBytes: number, dun: Uint32Array): void {
    this.#inner.decrypt(src, dst, dataUnitBytes, dun);
  }

  clear(): void {
    this.#wipeKey();
    this.#inner.clear();
  }

  offloads(bytes: number): boolean {
    return bytes >= this.#minOffloadBytes && this.#pool.hasRoom();
  }

  encryptOff(request: SkcipherRequest): void {
    this.#post("encryptOff", JobOp.ENCRYPT, request);
  }

  decryptOff(request: SkcipherRequest): void {
    this.#post("decryptOff", JobOp.DECRYPT, request);
  }

  #post(name: string, op: JobOp, request: SkcipherRequest): void {
    if (this.#key === null) throw new SkcipherError("ENOKEY", name, `no key set for ${this.name}`);
    this.#check(name, request);
    this.#pool.post(op, this.#cipherNumber, this.#key, request);
  }

  #check(name: string, { memory, bytes, dataUnitBytes, dun }: SkcipherRequest): void {
    if (memory === null || !this.#pool.owns(memory)) {
      throw new SkcipherError("EINVAL", name, "the memory must be from allocShared() of the cipher's own engine");
    }
    if (!Number.isInteger(bytes) || bytes < 0 || bytes > memory.bytes.length) {
      throw new SkcipherError("EINVAL", name, `${bytes} bytes are not within a memory of ${memory.bytes.length}`);
    }
    const data = memory.bytes.subarray(0, bytes);
    checkRequest(name, data, data, dataUnitBytes, dun);
  }

  #wipeKey(): void {
    this.#key?.fill(0);
    this.#key = null;
  }
}
