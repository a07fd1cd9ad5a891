import type { Mmio } from "@inlinecrypt/ufshcd-emulator/controller";

/** CCAP: bits 31:24 tell where the keyslots begin, in units of 256 bytes. */
const CCAP = 0x100;
const KEYSLOT_BYTES = 0x80;
const KEY_WORDS = 16;
const DATA_UNIT_UNIT_BYTES = 512;

/** A keyslot as its registers show it. */
export interface KeyslotRegisters {
  readonly isEnabled: boolean;
  readonly dataUnitBytes: number;
  /** The words that a driver writes the key to. */
  readonly keyWords: readonly number[];
}

/** Reads the CRYPTOCFG registers, as a curious driver would. */
export function keyslotRegisters(registers: Mmio, count: number): KeyslotRegisters[] {
  const start = (registers.read32(CCAP) >>> 24) * 0x100;
  return Array.from({ length: count }, (_, slotIndex) => {
    const at = start + slotIndex * KEYSLOT_BYTES;
    const config = registers.read32(at + KEY_WORDS * 4);
    return {
      isEnabled: config >>> 31 === 1,
      dataUnitBytes: (config & 0xff) * DATA_UNIT_UNIT_BYTES,
      keyWords: Array.from({ length: KEY_WORDS }, (_unused, word) => registers.read32(at + word * 4)),
    };
  });
}
