import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { HeldMedium } from "../support/held-medium.js";
import { cdb, TestHost } from "../support/test-host.js";

const { UicCommand, UicResult, UniproAttr, Is, Hcs } = hw;
const LINK = Hcs.DP | Hcs.UTRLRDY | Hcs.UTMRLRDY;

function powerModeStatus(host: TestHost): number {
  return (host.read(hw.Reg.HCS) & Hcs.UPMCRS_MASK) >>> Hcs.UPMCRS_LSB;
}

describe("HCE", () => {
  it("a host reset gives every register its reset value", () => {
    const host = new TestHost().up();
    host.write(hw.Reg.UTRIACR, 0x8100_0505);
    host.write(hw.Reg.AHIT, 0x1234);
    host.uic(UicCommand.DME_SET, hw.uicMib(UniproAttr.PA_TXGEAR), 3);
    host.uic(UicCommand.DME_SET, hw.uicMib(0xd041), 8191);
    expect(host.irq).toBe(true);
    host.write(hw.Reg.HCE, 0);
    expect(host.irq).toBe(false);
    for (const { name, offset } of hw.UFSHCI_REGISTERS) {
      if (!["CAP", "VER"].includes(name)) expect(host.read(offset), name).toBe(0);
    }
    host.enable();
    expect(host.uic(UicCommand.DME_GET, hw.uicMib(UniproAttr.PA_TXGEAR)).value).toBe(1);
    expect(host.uic(UicCommand.DME_GET, hw.uicMib(0xd041)).value).toBe(0);
  });

  it("a reset while enabling wins", () => {
    const host = new TestHost();
    host.write(hw.Reg.HCE, 1);
    host.write(hw.Reg.HCE, 0);
    host.clock.settle();
    expect([host.read(hw.Reg.HCE), host.read(hw.Reg.HCS)]).toEqual([0, 0]);
  });

  it("enabling twice is enabling once", () => {
    const host = new TestHost();
    host.write(hw.Reg.HCE, 1);
    host.write(hw.Reg.HCE, 3);
    host.clock.settle();
    expect(host.read(hw.Reg.HCE)).toBe(3);
  });
});

describe("UIC commands", () => {
  it("are ignored while one is under way", () => {
    const host = new TestHost();
    host.enable();
    host.write(hw.Reg.UICCMD, UicCommand.DME_ENABLE);
    expect(host.read(hw.Reg.HCS) & Hcs.UCRDY).toBe(0);
    host.write(hw.Reg.UCMDARG1, hw.uicMib(UniproAttr.PA_TXGEAR));
    host.write(hw.Reg.UICCMD, UicCommand.DME_LINKSTARTUP);
    host.clock.settle();
    expect(host.takeInterrupts()).toBe(Is.UCCS);
    expect(host.read(hw.Reg.UICCMD), "the first one was done").toBe(UicCommand.DME_ENABLE);
    expect(host.read(hw.Reg.HCS), "and no link started").toBe(Hcs.UCRDY);
  });

  it("that nobody knows fail", () => {
    const host = new TestHost();
    host.enable();
    for (const command of [0, 5, 0x13, UicCommand.DME_TEST_MODE, 0xff]) {
      expect(host.uic(command).result).toBe(UicResult.FAILURE);
    }
  });

  const attributes: readonly (readonly [string, number, number])[] = [
    ["an unknown attribute", 0x1234, UicResult.INVALID_ATTR],
    ["a lane that is not there", 0x00a3_0009, UicResult.BAD_INDEX],
  ];
  for (const [name, mib, result] of attributes) {
    it(`DME_GET and DME_SET of ${name}`, () => {
      const host = new TestHost();
      host.enable();
      const arg1 = mib > 0xffff ? mib : hw.uicMib(mib);
      expect(host.uic(UicCommand.DME_GET, arg1, 5)).toEqual({ result, value: 0 });
      expect(host.uic(UicCommand.DME_SET, arg1, 5).result).toBe(result);
    });
  }

  it("keep each lane's, and each end's, attributes apart", () => {
    const host = new TestHost().up();
    host.uic(UicCommand.DME_SET, hw.uicMib(0x23, 0), 1);
    host.uic(UicCommand.DME_SET, hw.uicMib(0x23, 3), 2);
    host.uic(UicCommand.DME_PEER_SET, hw.uicMib(0x23, 0), 3);
    host.uic(UicCommand.DME_SET, hw.uicMib(0xd041), 8191);
    const get = (command: number, mib: number) => host.uic(command, mib).value;
    expect([
      get(UicCommand.DME_GET, hw.uicMib(0x23, 0)),
      get(UicCommand.DME_GET, hw.uicMib(0x23, 3)),
      get(UicCommand.DME_PEER_GET, hw.uicMib(0x23, 0)),
      get(UicCommand.DME_GET, hw.uicMib(0xd041)),
    ]).toEqual([1, 2, 3, 8191]);
  });

  it("what can only be read stays", () => {
    const host = new TestHost();
    host.enable();
    const mib = hw.uicMib(UniproAttr.PA_MAXRXHSGEAR);
    expect(host.uic(UicCommand.DME_SET, mib, 1).result).toBe(UicResult.READ_ONLY_ATTR);
    expect(host.uic(UicCommand.DME_GET, mib).value).toBe(4);
  });

  it("reach the peer only over a link", () => {
    const host = new TestHost();
    host.enable();
    const mib = hw.uicMib(UniproAttr.PA_GRANULARITY);
    expect(host.uic(UicCommand.DME_PEER_GET, mib).result).toBe(UicResult.PEER_COMM_FAILURE);
    expect(host.uic(UicCommand.DME_PEER_SET, mib, 1).result).toBe(UicResult.PEER_COMM_FAILURE);
    host.startLink();
    expect(host.uic(UicCommand.DME_PEER_GET, mib)).toEqual({ result: 0, value: 6 });
  });

  it("DME_RESET takes the link down, DME_ENDPOINTRESET resets the device", () => {
    const host = new TestHost().up();
    expect(host.uic(UicCommand.DME_ENDPOINTRESET).result).toBe(0);
    expect(host.scsi({ cdb: [0] }).sense).toBe(hw.Sense.POWER_ON_OR_RESET);
    expect(host.uic(UicCommand.DME_RESET).result).toBe(0);
    expect(host.read(hw.Reg.HCS) & LINK).toBe(0);
    expect(host.uic(UicCommand.DME_ENDPOINTRESET).result).toBe(UicResult.FAILURE);
    expect(host.uic(UicCommand.DME_LINKSTARTUP).result).toBe(0);
    expect(host.read(hw.Reg.HCS) & LINK).toBe(LINK);
  });

  for (const [name, command] of [
    ["DME_RESET", UicCommand.DME_RESET],
    ["DME_ENDPOINTRESET", UicCommand.DME_ENDPOINTRESET],
  ] as const) {
    it(`${name} drops what is in the device`, () => {
      const medium = new HeldMedium(1 << 20);
      const host = new TestHost({ medium }).up();
      host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096 });
      host.uic(command);
      medium.release();
      expect([host.isPending(0), host.answer(0).ocs]).toEqual([true, hw.Ocs.INVALID_COMMAND_STATUS]);
    });
  }

  it("a link starts up only when the medium has let go of what a reset gave up", () => {
    const medium = new HeldMedium(1 << 20);
    const host = new TestHost({ medium }).up();
    host.prepareScsi({ cdb: cdb.write10(0, 1), dataOut: new Uint8Array(4096).fill(1) });
    host.ring(0);
    host.write(hw.Reg.HCE, 0);
    host.enable();
    host.uic(UicCommand.DME_LINKSTARTUP);
    expect(host.read(hw.Reg.HCS) & (LINK | Hcs.UCRDY), "still starting").toBe(0);
    medium.release();
    expect(host.read(hw.Reg.HCS) & LINK).toBe(LINK);
    expect(host.takeInterrupts()).toBe(Is.UCCS);
  });
});

describe("power modes and hibernation", () => {
  const MODE = hw.uicMib(UniproAttr.PA_PWRMODE);

  it("an impossible gear ends with UPMCRS 4, and the mode stays", () => {
    const host = new TestHost().up();
    host.uic(UicCommand.DME_SET, hw.uicMib(UniproAttr.PA_TXGEAR), 9);
    host.takeInterrupts();
    expect(host.uic(UicCommand.DME_SET, MODE, 0x11).result).toBe(UicResult.SUCCESS);
    expect(host.takeInterrupts()).toBe(Is.UCCS | Is.UPMS);
    expect(powerModeStatus(host)).toBe(hw.PowerModeStatus.ERROR_CAP);
    expect(host.uic(UicCommand.DME_GET, MODE).value).toBe(0x55);
  });

  it("a mode that is none is refused without a change", () => {
    const host = new TestHost().up();
    for (const mode of [0, 0x13, 0x31, 0x111]) {
      host.takeInterrupts();
      expect(host.uic(UicCommand.DME_SET, MODE, mode).result).toBe(UicResult.INVALID_ATTR_VALUE);
      expect(host.takeInterrupts()).toBe(Is.UCCS);
    }
  });

  it("without a link there is no mode to change, and nothing to hibernate", () => {
    const host = new TestHost();
    host.enable();
    expect(host.uic(UicCommand.DME_SET, MODE, 0x11).result).toBe(UicResult.DME_FAILURE);
    expect(host.uic(UicCommand.DME_HIBERNATE_ENTER).result).toBe(UicResult.FAILURE);
  });

  it("hibernation is entered and left with IS.UHES and IS.UHXS, and HCS.UPMCRS 1", () => {
    const host = new TestHost().up();
    host.takeInterrupts();
    host.uic(UicCommand.DME_HIBERNATE_ENTER);
    expect([host.takeInterrupts(), powerModeStatus(host)]).toEqual([Is.UCCS | Is.UHES, 1]);
    host.uic(UicCommand.DME_HIBERNATE_EXIT);
    expect([host.takeInterrupts(), powerModeStatus(host)]).toEqual([Is.UCCS | Is.UHXS, 1]);
    expect(host.scsi({ cdb: [0] })).toMatchObject({ ocs: 0, status: 0 });
  });
});
