import type { SkcipherEngine } from "@inlinecrypt/skcipher";
import {
  buildCcap,
  buildCryptoCap,
  CRYPTOCFG_CONFIG_DWORD,
  CRYPTOCFG_ENTRY_BYTES,
  type CryptoCapEntry,
  Ocs,
  parseCryptoConfig,
  Reg,
} from "../ufshci/index.js";
import { CryptoKeyslot } from "./crypto-keyslot.js";
import type { UfsEvents } from "./events.js";
import type { FaultPlan } from "./fault-plan.js";

/** The crypto part of a controller. */
export interface CryptoOptions {
  /** The CRYPTOCAP registers; unknown algorithms may be declared, and fail when they are used. */
  readonly caps: readonly CryptoCapEntry[];
  /** How many keyslots, 1 to 256. */
  readonly slotCount: number;
  /** Where the CRYPTOCFG array begins, a multiple of 0x100 behind the CRYPTOCAP registers. */
  readonly configOffsetBytes: number;
  readonly engine: SkcipherEngine;
}

/** Which way data goes through the engine. */
export type CryptDirection = "encrypt" | "decrypt";

const LIMB = 0x1_0000_0000;

/** The inline crypto engine: keyslots behind the CRYPTOCFG registers, and the ciphers that data of commands runs through. */
export class CryptoEngine {
  readonly #options: CryptoOptions;
  readonly #slots: readonly CryptoKeyslot[];
  readonly #events: UfsEvents;
  readonly #faults: FaultPlan;
  readonly #dun = new Uint32Array(8);

  constructor(options: CryptoOptions, events: UfsEvents, faults: FaultPlan) {
    this.#options = options;
    this.#slots = Array.from({ length: options.slotCount }, () => new CryptoKeyslot());
    this.#events = events;
    this.#faults = faults;
  }

  /** Values of CCAP and the CRYPTOCAP registers, by offset. */
  resetValues(): [number, number][] {
    const { caps, slotCount, configOffsetBytes } = this.#options;
    const ccap = buildCcap({ capCount: caps.length, slotCount, configOffsetBytes });
    return [
      [Reg.CCAP, ccap],
      ...caps.map((cap, index): [number, number] => [Reg.CRYPTOCAP + 4 * index, buildCryptoCap(cap)]),
    ];
  }

  /** Where the registers of the last keyslot end. */
  get endOffset(): number {
    return this.#options.configOffsetBytes + this.#slots.length * CRYPTOCFG_ENTRY_BYTES;
  }

  /** Whether `offset` is in the CRYPTOCFG array. */
  contains(offset: number): boolean {
    return offset >= this.#options.configOffsetBytes && offset < this.endOffset;
  }

  read(offset: number): number {
    return this.#slotAt(offset).read(dwordAt(offset - this.#options.configOffsetBytes));
  }

  write(offset: number, value: number): void {
    const dword = dwordAt(offset - this.#options.configOffsetBytes);
    if (dword === CRYPTOCFG_CONFIG_DWORD) this.#configure(this.#slotAt(offset), value);
    else this.#slotAt(offset).write(dword, value);
  }

  /** The slot a command names, or undefined when there is none of that index. */
  slot(index: number): CryptoKeyslot | undefined {
    return this.#slots[index];
  }

  /** Whether a command may use slot `index`: an OCS. */
  check(index: number): Ocs {
    return this.#slots[index]?.state ?? Ocs.INVALID_CRYPTO_CONFIG;
  }

  /**
   * Runs whole data units through a slot's cipher.
   *
   * @param version - the slot's version when the command began
   * @param doneBytes - bytes of the command that went before
   * @returns whether it worked; if not, `dst` is as it was, or holds no plaintext that was not there
   */
  crypt(
    direction: CryptDirection,
    slot: CryptoKeyslot,
    version: number,
    src: Uint8Array,
    dst: Uint8Array,
    dunLow: number,
    dunHigh: number,
    doneBytes: number,
  ): boolean {
    if (slot.version !== version) return false;
    const unitBytes = slot.dataUnitBytes;
    const low = dunLow + doneBytes / unitBytes;
    const dun = this.#dun;
    dun[0] = low;
    dun[1] = dunHigh + Math.floor(low / LIMB);
    // The engine counts in 64 bits, the cipher in 256: the command is cut in two where 64 bits wrap around.
    const bytesToWrap = dun[1] === LIMB - 1 ? (LIMB - dun[0]) * unitBytes : src.length;
    const cut = Math.min(bytesToWrap, src.length);
    try {
      if (cut === src.length) {
        slot.cipher[direction](src, dst, unitBytes, dun);
        return true;
      }
      slot.cipher[direction](src.subarray(0, cut), dst.subarray(0, cut), unitBytes, dun);
      dun[0] = 0;
      dun[1] = 0;
      slot.cipher[direction](src.subarray(cut), dst.subarray(cut), unitBytes, dun);
      return true;
    } catch {
      return false;
    }
  }

  /** Every keyslot forgets its key. */
  clearAll(): void {
    this.#slots.forEach((slot, slotIndex) => {
      const held = slot.isEnabled;
      slot.wipe();
      if (held && this.#events.isObserved) this.#events.emit({ type: "keyslotCleared", slotIndex });
    });
  }

  #slotAt(offset: number): CryptoKeyslot {
    return this.#slots[Math.floor((offset - this.#options.configOffsetBytes) / CRYPTOCFG_ENTRY_BYTES)]!;
  }

  #configure(slot: CryptoKeyslot, value: number): void {
    const slotIndex = this.#slots.indexOf(slot);
    const { enable, capIndex, dataUnitSize } = parseCryptoConfig(value);
    const held = slot.isEnabled;
    const faulty = enable && !this.#faults.isEmpty && this.#faults.take(["programFails"], -1, slotIndex) !== null;
    slot.configure(value, this.#options.caps, this.#options.engine, faulty);
    if (!this.#events.isObserved) return;
    if (enable) {
      const usable = slot.state === Ocs.SUCCESS;
      this.#events.emit({ type: "keyslotProgrammed", slotIndex, capIndex, dataUnitBytes: dataUnitSize * 512, usable });
    } else if (held) this.#events.emit({ type: "keyslotCleared", slotIndex });
  }
}

function dwordAt(offset: number): number {
  return (offset % CRYPTOCFG_ENTRY_BYTES) / 4;
}
