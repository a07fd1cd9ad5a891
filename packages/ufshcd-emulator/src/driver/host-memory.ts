import { BlkBug, BlkError } from "@inlinecrypt/blk-core";
import type { Dma } from "../ufshci/index.js";

/** Where coherent memory begins: address 0 is nobody's. */
const COHERENT_BASE = 0x1_0000;
/** Where mapped buffers begin. All addresses fit 32 bits, for controllers without 64-bit addressing. */
const WINDOW_BASE = 0x4000_0000;
/** Distance of two windows, and the most bytes of one: what a PRDT entry can describe. */
const WINDOW_BYTES = 0x4_0000;

/** Coherent memory ends before the windows begin. */
const MAX_COHERENT_BYTES = 512 << 20;

/** Descriptors are short: a loop copies them in less time than a view of them is made. */
const SHORT_BYTES = 64;

/** Most buffers mapped at a time: 32 commands of 128 runs of memory. */
export const MAX_WINDOWS = 4096;

export interface HostMemoryOptions {
  /**
   * Memory for descriptors and the driver's own data, at most 512 MiB. 32 commands with 128 PRDT entries of 128 bytes
   * need 600 KiB.
   *
   * @default 1 MiB
   */
  coherentBytes?: number;
}

/** A piece of coherent memory. */
export interface CoherentBuffer {
  readonly bytes: Uint8Array;
  /** Bus address of its first byte. */
  readonly address: number;
}

/**
 * Memory that a controller in the same process can reach, as behind an IOMMU: descriptors, which are always mapped, and
 * the buffers of bios, each mapped at an address for as long as the command that uses it is on its way. Nothing is
 * copied: a view of a mapped address is the bio's own memory, and after `unmap` a late access finds nothing there.
 *
 * @kernel kernel/dma/mapping.c
 */
export class HostMemory implements Dma {
  readonly #coherent: Uint8Array;
  #coherentUsed = 0;
  readonly #data: (Uint8Array | null)[] = new Array<Uint8Array | null>(MAX_WINDOWS).fill(null);
  readonly #offset: number[] = new Array<number>(MAX_WINDOWS).fill(0);
  readonly #bytes = new Int32Array(MAX_WINDOWS);
  #mapped = 0;

  /** @throws BlkError EINVAL for a size out of range. */
  constructor({ coherentBytes = 1 << 20 }: HostMemoryOptions = {}) {
    if (!Number.isInteger(coherentBytes) || coherentBytes < 1 || coherentBytes > MAX_COHERENT_BYTES) {
      const message = `coherentBytes is ${coherentBytes}, expected 1 to ${MAX_COHERENT_BYTES}`;
      throw new BlkError("EINVAL", "host memory", message);
    }
    this.#coherent = new Uint8Array(coherentBytes);
  }

  /** Buffers mapped now. */
  get mapped(): number {
    return this.#mapped;
  }

  /**
   * Memory for as long as this object lives, zeroed, at an address that is a multiple of `align`.
   *
   * @throws BlkBug when none is left: the number of commands bounds what a driver needs.
   * @kernel include/linux/dma-mapping.h: dmam_alloc_coherent
   */
  allocCoherent(bytes: number, align: number): CoherentBuffer {
    const at = Math.ceil(this.#coherentUsed / align) * align;
    if (at + bytes > this.#coherent.length) throw new BlkBug(`${bytes} bytes of coherent memory are not left`);
    this.#coherentUsed = at + bytes;
    return { bytes: this.#coherent.subarray(at, at + bytes), address: COHERENT_BASE + at };
  }

  /**
   * Maps a run of memory into window `window`, 0 to `MAX_WINDOWS` - 1, and returns its address.
   *
   * @param bytes - 1 to 262144
   * @context hot
   * @throws BlkBug when the window is in use.
   * @kernel include/linux/dma-mapping.h: dma_map_sg
   */
  map(window: number, data: Uint8Array, offset: number, bytes: number): number {
    if (this.#data[window] !== null) throw new BlkBug(`window ${window} is mapped twice`);
    this.#data[window] = data;
    this.#offset[window] = offset;
    this.#bytes[window] = bytes;
    this.#mapped++;
    return WINDOW_BASE + window * WINDOW_BYTES;
  }

  /** Undoes `map`: the device can no longer reach the memory. @kernel include/linux/dma-mapping.h: dma_unmap_sg */
  unmap(window: number): void {
    this.#data[window] = null;
    this.#mapped--;
  }

  read(address: number, into: Uint8Array): boolean {
    if (into.length <= SHORT_BYTES && this.#isCoherent(address, into.length)) {
      const at = address - COHERENT_BASE;
      for (let index = 0; index < into.length; index++) into[index] = this.#coherent[at + index]!;
      return true;
    }
    const memory = this.view(address, into.length);
    if (memory === undefined) return false;
    into.set(memory);
    return true;
  }

  write(address: number, from: Uint8Array): boolean {
    if (from.length <= SHORT_BYTES && this.#isCoherent(address, from.length)) {
      const at = address - COHERENT_BASE;
      for (let index = 0; index < from.length; index++) this.#coherent[at + index] = from[index]!;
      return true;
    }
    const memory = this.view(address, from.length);
    if (memory === undefined) return false;
    memory.set(from);
    return true;
  }

  view(address: number, bytes: number): Uint8Array | undefined {
    if (address < WINDOW_BASE) return this.#viewCoherent(address, bytes);
    const window = Math.floor((address - WINDOW_BASE) / WINDOW_BYTES);
    const data = this.#data[window];
    if (data === null || data === undefined) return undefined;
    const at = (address - WINDOW_BASE) % WINDOW_BYTES;
    if (at + bytes > this.#bytes[window]!) return undefined;
    const start = this.#offset[window]! + at;
    return bytes === data.length ? data : data.subarray(start, start + bytes);
  }

  #viewCoherent(address: number, bytes: number): Uint8Array | undefined {
    if (!this.#isCoherent(address, bytes)) return undefined;
    const at = address - COHERENT_BASE;
    return this.#coherent.subarray(at, at + bytes);
  }

  #isCoherent(address: number, bytes: number): boolean {
    return address >= COHERENT_BASE && address - COHERENT_BASE + bytes <= this.#coherentUsed;
  }
}
