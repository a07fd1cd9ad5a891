import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";

describe("table 2.4: the register table", () => {
  it("has the offsets of the kernel's ufshci.h", () => {
    const offsets = Object.fromEntries(hw.UFSHCI_REGISTERS.map(({ name, offset }) => [name, offset]));
    // biome-ignore format: a table
    expect(offsets).toEqual({
      CAP: 0x00, VER: 0x08, HCPID: 0x10, HCMID: 0x14, AHIT: 0x18, IS: 0x20, IE: 0x24, HCS: 0x30, HCE: 0x34,
      UECPA: 0x38, UECDL: 0x3c, UECN: 0x40, UECT: 0x44, UECDME: 0x48, UTRIACR: 0x4c, UTRLBA: 0x50, UTRLBAU: 0x54,
      UTRLDBR: 0x58, UTRLCLR: 0x5c, UTRLRSR: 0x60, UTRLCNR: 0x64, UTMRLBA: 0x70, UTMRLBAU: 0x74, UTMRLDBR: 0x78,
      UTMRLCLR: 0x7c, UTMRLRSR: 0x80, UICCMD: 0x90, UCMDARG1: 0x94, UCMDARG2: 0x98, UCMDARG3: 0x9c,
    });
    expect(hw.cryptoRegisters(2).map(({ name, offset }) => [name, offset])).toEqual([
      ["CCAP", 0x100],
      ["CRYPTOCAP0", 0x104],
      ["CRYPTOCAP1", 0x108],
    ]);
  });

  it("has the interrupt bits of the kernel's mask for version 2.1, and UTPES", () => {
    const is = hw.UFSHCI_REGISTERS.find(({ name }) => name === "IS")!;
    expect(hw.accessMask(is, "W1C")).toBe(0x7_1fff);
    expect(hw.Is.CEFES).toBe(0x4_0000);
    expect(hw.Cap.CS).toBe(0x1000_0000);
  });

  it("has no fields that overlap", () => {
    for (const { name, fields } of [...hw.UFSHCI_REGISTERS, ...hw.cryptoRegisters(1)]) {
      let seen = 0n;
      for (const { bits, lsb } of fields) {
        const mask = ((1n << BigInt(bits)) - 1n) << BigInt(lsb);
        expect(seen & mask, name).toBe(0n);
        seen |= mask;
      }
      expect(seen <= 0xffff_ffffn, name).toBe(true);
    }
  });
});
