import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { TestHost } from "../support/test-host.js";

const { Is, Reg } = hw;
const AGGREGATE = 0x8000_0000 | hw.Utriacr.IAPWEN;

describe("the interrupt line", () => {
  it("is high while an enabled interrupt is pending", () => {
    const host = new TestHost().up();
    host.write(Reg.IE, Is.UTMRCS);
    host.scsi({ cdb: [0] });
    expect([host.read(Reg.IS), host.irq], "not enabled").toEqual([Is.UTRCS, false]);
    host.write(Reg.IE, Is.UTRCS);
    expect(host.irq, "enabled while pending").toBe(true);
    host.write(Reg.IS, ~Is.UTRCS);
    expect(host.irq, "other bits cleared").toBe(true);
    host.write(Reg.IS, Is.UTRCS);
    expect(host.irq).toBe(false);
  });

  it("rises once for requests that end together", () => {
    const host = new TestHost().up();
    const before = host.irqEdges;
    for (const index of [0, 1, 2]) host.prepareScsi({ index, cdb: [0] });
    host.ring(0, 1, 2);
    expect(host.irqEdges - before).toBe(1);
  });

  it("a request without interrupt bit raises UTRCS only when it fails", () => {
    const host = new TestHost().up();
    host.scsi({ cdb: [0], interrupt: false });
    expect(host.takeInterrupts()).toBe(0);
    host.scsi({ cdb: [0x28, 0, 0, 0, 0, 0, 0, 0, 1], expectedBytes: 4096, interrupt: false });
    expect(host.takeInterrupts()).toBe(Is.UTRCS);
  });
});

describe("interrupt aggregation", () => {
  function quiet(host: TestHost, index: number): number {
    host.scsi({ index, cdb: [0], interrupt: false });
    return host.takeInterrupts();
  }

  it("counts completions up to the threshold", () => {
    const host = new TestHost().up();
    host.write(Reg.UTRIACR, AGGREGATE | (3 << 8));
    expect(host.read(Reg.UTRIACR) & hw.Utriacr.IASB).toBe(0);
    expect(quiet(host, 0)).toBe(0);
    expect(host.read(Reg.UTRIACR) & hw.Utriacr.IASB, "counting").toBe(hw.Utriacr.IASB);
    expect([quiet(host, 1), quiet(host, 2)]).toEqual([0, Is.UTRCS]);
  });

  it("begins again when software resets the counter", () => {
    const host = new TestHost().up();
    host.write(Reg.UTRIACR, AGGREGATE | (2 << 8));
    quiet(host, 0);
    host.write(Reg.UTRIACR, 0x8000_0000 | hw.Utriacr.CTR);
    expect(host.read(Reg.UTRIACR), "parameters stay, the status bit falls").toBe(0x8000_0200);
    expect([quiet(host, 1), quiet(host, 2)]).toEqual([0, Is.UTRCS]);
  });

  it("gives up waiting after the time-out, in units of 40 microseconds", () => {
    const host = new TestHost().up();
    host.write(Reg.UTRIACR, AGGREGATE | (31 << 8) | 5);
    quiet(host, 0);
    host.clock.advanceNs(199_000);
    expect(host.takeInterrupts()).toBe(0);
    host.clock.advanceNs(1_000);
    expect(host.takeInterrupts()).toBe(Is.UTRCS);
  });

  it("leaves no timer behind", () => {
    for (const stop of [
      (host: TestHost) => host.write(Reg.UTRIACR, 0),
      (host: TestHost) => host.write(Reg.UTRIACR, 0x8000_0000 | hw.Utriacr.CTR),
      (host: TestHost) => host.write(Reg.HCE, 0),
      (host: TestHost) => host.controller[Symbol.dispose](),
    ]) {
      const host = new TestHost().up();
      host.write(Reg.UTRIACR, AGGREGATE | (31 << 8) | 5);
      quiet(host, 0);
      quiet(host, 1);
      expect(host.clock.executor.isIdle).toBe(false);
      stop(host);
      expect(host.clock.executor.isIdle).toBe(true);
    }
  });

  it("has no time-out when that is 0", () => {
    const host = new TestHost().up();
    host.write(Reg.UTRIACR, AGGREGATE | (31 << 8));
    quiet(host, 0);
    expect(host.clock.executor.isIdle).toBe(true);
  });

  it("does not hold back a request that asks for its interrupt", () => {
    const host = new TestHost().up();
    host.write(Reg.UTRIACR, AGGREGATE | (31 << 8) | 200);
    host.scsi({ cdb: [0] });
    expect(host.takeInterrupts()).toBe(Is.UTRCS);
  });
});
