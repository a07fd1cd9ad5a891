import { BlkBug, BlkError } from "@inlinecrypt/blk-core";
import { secretBytes } from "./secret-bytes.js";

const U64_BYTES = 8;
/** Every argument ends with so many words that must be zero. */
const RESERVED_WORDS = 4;

/** The memory of the process that calls. */
export interface UserMemory {
  /** Fills `into` with what is at `address`. Throwing means that some of it cannot be read: EFAULT. */
  read(address: bigint, into: Uint8Array): void | Promise<void>;
  /** Stores `from` at `address`. Throwing means that some of it cannot be written: EFAULT. */
  write(address: bigint, from: Uint8Array): void | Promise<void>;
}

/**
 * One ioctl: its argument, a structure of u64 words in the caller's memory, and the buffers it keeps keys in, which are
 * wiped when it is disposed.
 */
export class IoctlCall {
  readonly op: string;
  readonly #memory: UserMemory;
  readonly #argAddress: bigint;
  readonly #arg: DataView;
  readonly #buffers: Uint8Array[] = [];

  private constructor(op: string, memory: UserMemory, argAddress: bigint, words: number) {
    this.op = op;
    this.#memory = memory;
    this.#argAddress = argAddress;
    this.#arg = new DataView(new ArrayBuffer(words * U64_BYTES));
  }

  /** Reads the argument. @throws BlkError EFAULT; EINVAL for a reserved word other than zero. */
  static async read(op: string, memory: UserMemory, argAddress: bigint, words: number): Promise<IoctlCall> {
    const call = new IoctlCall(op, memory, argAddress, words);
    await call.#copy("the argument", () => memory.read(argAddress, call.#argBytes));
    for (let word = words - RESERVED_WORDS; word < words; word++) {
      if (call.word(word) !== 0n) call.refuse(`reserved word ${word} of the argument is not zero`);
    }
    return call;
  }

  word(index: number): bigint {
    return this.#arg.getBigUint64(index * U64_BYTES, true);
  }

  /** A buffer for a key. */
  buffer(bytes: number): Uint8Array {
    const buffer = secretBytes(bytes);
    this.#buffers.push(buffer);
    return buffer;
  }

  /** A buffer with the key at the address in word `addressWord`. @throws BlkError EFAULT. */
  async readKey(addressWord: number, bytes: number): Promise<Uint8Array> {
    const key = this.buffer(bytes);
    await this.#copy("the key", () => this.#memory.read(this.word(addressWord), key));
    return key;
  }

  /**
   * Writes a blob to the address in word `addressWord`, and its length into the next, where its room was.
   *
   * @throws BlkError EOVERFLOW for too little room, and then writes nothing; EFAULT.
   */
  async writeBlob(addressWord: number, blob: Uint8Array): Promise<void> {
    const roomWord = addressWord + 1;
    if (BigInt(blob.length) > this.word(roomWord)) {
      const room = this.word(roomWord);
      throw new BlkError("EOVERFLOW", this.op, `the blob has ${blob.length} bytes, there is room for ${room}`);
    }
    this.#arg.setBigUint64(roomWord * U64_BYTES, BigInt(blob.length), true);
    await this.#copy("the blob", () => this.#memory.write(this.word(addressWord), blob));
    await this.#copy("the argument", () => this.#memory.write(this.#argAddress, this.#argBytes));
  }

  refuse(why: string): never {
    throw new BlkError("EINVAL", this.op, why);
  }

  /** Wipes all key buffers. */
  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer.fill(0);
  }

  get #argBytes(): Uint8Array {
    return new Uint8Array(this.#arg.buffer);
  }

  async #copy(what: string, copy: () => void | Promise<void>): Promise<void> {
    try {
      await copy();
    } catch (cause) {
      if (cause instanceof BlkBug) throw cause;
      throw new BlkError("EFAULT", this.op, `${what} cannot be copied from or to the caller's memory`, { cause });
    }
  }
}
