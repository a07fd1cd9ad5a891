import { MemoryMedium } from "@inlinecrypt/ufshcd-emulator/controller";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { TestHost } from "../support/test-host.js";

const CONFIGURED: Readonly<Record<string, number>> = {
  CAP: 0x1107_001f, // 32 transfers, 8 tasks, 64-bit addresses, crypto
  VER: 0x0300,
  CCAP: 0x1000_0701, // one capability, 8 slots at 0x1000
  CRYPTOCAP0: 0x0003_ff00, // AES-XTS, every data unit size, 256 bits
};

const SPECS = [...hw.UFSHCI_REGISTERS, ...hw.cryptoRegisters(1)];
/** What software cannot just store: these have tests of their own. */
const ACTING = new Set(["HCE", "UTRIACR", "UICCMD"]);

describe("[UFS-21] every register", () => {
  for (const spec of SPECS) {
    it(`${spec.name} has its reset value, and takes writes by access type`, () => {
      const host = new TestHost();
      const reset = CONFIGURED[spec.name] ?? spec.reset;
      expect(host.read(spec.offset), "reset value").toBe(reset);
      if (ACTING.has(spec.name)) return;
      host.write(spec.offset, 0xffff_ffff);
      host.clock.settle();
      const stored = hw.accessMask(spec, "RW");
      expect(host.read(spec.offset), "after all ones").toBe(((reset & ~stored) | stored) >>> 0);
      host.write(spec.offset, 0);
      host.clock.settle();
      expect(host.read(spec.offset), "after all zeroes").toBe((reset & ~stored) >>> 0);
    });
  }

  it("HCE stores crypto general enable while the controller is off", () => {
    const host = new TestHost();
    host.write(hw.Reg.HCE, 2);
    expect(host.read(hw.Reg.HCE)).toBe(2);
    host.write(hw.Reg.HCE, 0);
    expect(host.read(hw.Reg.HCE)).toBe(0);
  });

  it("UTRIACR takes its parameters only with IAPWEN", () => {
    const host = new TestHost();
    host.write(hw.Reg.UTRIACR, 0x8000_0505);
    expect(host.read(hw.Reg.UTRIACR)).toBe(0x8000_0000);
    host.write(hw.Reg.UTRIACR, 0xffff_ffff);
    expect(host.read(hw.Reg.UTRIACR), "CTR and IAPWEN read as 0").toBe(0x8000_1fff);
    host.write(hw.Reg.UTRIACR, 0x8000_0000);
    expect(host.read(hw.Reg.UTRIACR), "parameters stay").toBe(0x8000_1fff);
  });

  it("UICCMD stores a command, and ignores it while the controller is off", () => {
    const host = new TestHost();
    host.write(hw.Reg.UICCMD, 0x116);
    host.clock.settle();
    expect([host.read(hw.Reg.UICCMD), host.read(hw.Reg.IS), host.read(hw.Reg.HCS)]).toEqual([0x16, 0, 0]);
  });
});

describe("register space", () => {
  it("reads 0 and ignores writes where no register is", () => {
    const host = new TestHost();
    const known = new Set(SPECS.map(({ offset }) => offset));
    for (let offset = 0; offset < host.controller.mmioBytes + 64; offset += 4) {
      if (known.has(offset) || (offset >= 0x1000 && offset < 0x1400)) continue;
      host.write(offset, 0xffff_ffff);
      expect(host.read(offset), `at 0x${offset.toString(16)}`).toBe(0);
    }
    for (const { name, offset, reset } of SPECS) expect(host.read(offset), name).toBe(CONFIGURED[name] ?? reset);
  });

  it("has nothing at offsets that are no multiple of 4, below 0 or no whole number", () => {
    const host = new TestHost();
    for (const offset of [1, 2, 3, 0x35, -4, 0.5, Number.NaN]) {
      host.write(offset, 0xffff_ffff);
      expect(host.read(offset)).toBe(0);
    }
    expect(host.read(hw.Reg.CAP)).toBe(CONFIGURED.CAP);
  });

  it("holds all keyslots, and is a power of two", () => {
    expect(new TestHost().controller.mmioBytes).toBe(0x2000);
    expect(new TestHost({ crypto: { keyslots: 32 } }).controller.mmioBytes).toBe(0x2000);
    expect(new TestHost({ crypto: null }).controller.mmioBytes).toBe(0x1000);
  });

  it("has no crypto registers without a crypto engine", () => {
    const host = new TestHost({ crypto: null });
    expect(host.read(hw.Reg.CAP)).toBe(0x0107_001f);
    expect([host.read(hw.Reg.CCAP), host.read(hw.Reg.CRYPTOCAP)]).toEqual([0, 0]);
    host.enable();
    expect(host.read(hw.Reg.HCE), "CGE cannot be set").toBe(hw.Hce.HCE);
  });

  it("tells how many requests it takes", () => {
    const host = new TestHost({ transferRequests: 4, taskRequests: 1 }).up();
    expect(host.read(hw.Reg.CAP) & 0x7_001f).toBe(3);
    host.write(hw.Reg.UTRLDBR, 0xffff_fff0);
    host.write(hw.Reg.UTMRLDBR, 0xfe);
    expect([host.read(hw.Reg.UTRLDBR), host.read(hw.Reg.UTMRLDBR)], "no such entries").toEqual([0, 0]);
  });
});

describe("options out of range", () => {
  const wrong: readonly (readonly [string, ConstructorParameters<typeof TestHost>[0]])[] = [
    ["transferRequests", { transferRequests: 33 }],
    ["taskRequests", { taskRequests: 0 }],
    ["number of logical units", { logicalUnits: [] }],
    ["bytes of logical unit 0", { medium: new MemoryMedium(4095) }],
    ["serial number", { identity: { serial: "" } }],
    ["keyslots", { crypto: { keyslots: 33 } }],
    ["capabilities", { crypto: { caps: [] } }],
  ];
  for (const [name, options] of wrong) {
    it(`${name} is refused`, () => {
      expect(() => new TestHost(options)).toThrow(RangeError);
      expect(() => new TestHost(options)).toThrow(name);
    });
  }
});
