import type { Dma } from "@inlinecrypt/ufshcd-emulator/controller";

/** Where the memory of a test's host begins: address 0 is none of it. */
export const MEMORY_BASE = 0x1000_0000;

/** A host's memory. Whatever a device wants outside of it is refused, and counted. */
export class HostMemory implements Dma {
  readonly bytes: Uint8Array;
  refused = 0;

  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
  }

  read(address: number, into: Uint8Array): boolean {
    const from = this.#range(address, into.length);
    if (from !== undefined) into.set(from);
    return from !== undefined;
  }

  write(address: number, from: Uint8Array): boolean {
    const into = this.#range(address, from.length);
    into?.set(from);
    return into !== undefined;
  }

  /** The memory at an address, for the test itself. */
  at(address: number, bytes: number): Uint8Array {
    const start = address - MEMORY_BASE;
    if (start < 0 || start + bytes > this.bytes.length) throw new RangeError(`no memory at ${address}`);
    return this.bytes.subarray(start, start + bytes);
  }

  #range(address: number, bytes: number): Uint8Array | undefined {
    const start = address - MEMORY_BASE;
    if (start >= 0 && start + bytes <= this.bytes.length) return this.bytes.subarray(start, start + bytes);
    this.refused++;
    return undefined;
  }
}

/** Memory that a device may also use in place. */
export class MappedHostMemory extends HostMemory {
  view(address: number, bytes: number): Uint8Array | undefined {
    const start = address - MEMORY_BASE;
    return start >= 0 && start + bytes <= this.bytes.length ? this.bytes.subarray(start, start + bytes) : undefined;
  }
}
