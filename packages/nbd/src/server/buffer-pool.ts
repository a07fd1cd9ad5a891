import { BIO_CHUNK_BYTES } from "@inlinecrypt/blk-core";

/** Largest buffer: what one bio carries. */
export const MAX_BUFFER_BYTES: number = BIO_CHUNK_BYTES;

const CLASS_BYTES = [4096, 16384, 65536, 262144, MAX_BUFFER_BYTES];

/** Most memory kept for reuse; what comes back beyond it is left to the garbage collector. */
const MAX_IDLE_BYTES = 32 * 1024 * 1024;

/**
 * Buffers for the data of requests, in a few sizes. How many are out is bounded by the connections' in-flight limits;
 * how many lie idle is bounded here. Buffers are not cleared: whoever gets one overwrites what it hands out.
 */
export class BufferPool {
  readonly #free: Uint8Array[][] = CLASS_BYTES.map(() => []);
  #inUseBytes = 0;
  #idleBytes = 0;

  /** Bytes handed out and not given back. */
  get inUseBytes(): number {
    return this.#inUseBytes;
  }

  /** A buffer of at least `bytes`, 1 to `MAX_BUFFER_BYTES`. */
  get(bytes: number): Uint8Array {
    const classIndex = classOf(bytes);
    const classBytes = CLASS_BYTES[classIndex]!;
    this.#inUseBytes += classBytes;
    const recycled = this.#free[classIndex]!.pop();
    if (recycled === undefined) return new Uint8Array(classBytes);
    this.#idleBytes -= classBytes;
    return recycled;
  }

  /** Takes back a buffer that `get` returned. */
  put(buffer: Uint8Array): void {
    this.#inUseBytes -= buffer.length;
    if (this.#idleBytes + buffer.length > MAX_IDLE_BYTES) return;
    this.#idleBytes += buffer.length;
    this.#free[classOf(buffer.length)]!.push(buffer);
  }
}

function classOf(bytes: number): number {
  let classIndex = 0;
  while (CLASS_BYTES[classIndex]! < bytes) classIndex++;
  return classIndex;
}
