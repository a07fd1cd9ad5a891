import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const { STANDARD_READ_REQUEST, STANDARD_WRITE_REQUEST } = hw.QueryFunction;

/** The register and command sequence of Linux's ufshcd at probe (drivers/ufs/core/ufshcd.c: ufshcd_init, ufshcd_probe_hba). */
describe("what Linux's ufshcd does at probe", () => {
  it("enables the controller, starts the link and finds the lists ready", () => {
    const host = new TestHost();
    expect(host.read(hw.Reg.HCE)).toBe(0);
    host.write(hw.Reg.HCE, 1);
    expect(host.read(hw.Reg.HCE), "not at once").toBe(0);
    host.clock.settle();
    expect(host.read(hw.Reg.HCE)).toBe(1);
    expect(host.read(hw.Reg.HCS)).toBe(hw.Hcs.UCRDY);
    host.write(hw.Reg.HCE, 3);
    expect(host.read(hw.Reg.HCE), "Intel's variant enables crypto afterwards, without a reset").toBe(3);
    host.write(hw.Reg.IE, hw.Is.UCCS);
    expect(host.uic(hw.UicCommand.DME_LINKSTARTUP).result).toBe(hw.UicResult.SUCCESS);
    expect(host.irq).toBe(true);
    expect(host.takeInterrupts()).toBe(hw.Is.UCCS);
    expect(host.irq).toBe(false);
    expect(host.read(hw.Reg.HCS)).toBe(hw.Hcs.DP | hw.Hcs.UTRLRDY | hw.Hcs.UTMRLRDY | hw.Hcs.UCRDY);
  });

  it("answers NOP OUT with NOP IN", () => {
    const host = new TestHost().up();
    const upiu = new Uint8Array(hw.UPIU_BYTES);
    hw.buildUpiuHeader(upiu, 0, { ...hw.newUpiuHeader(), transaction: hw.UpiuTransaction.NOP_OUT, taskTag: 31 });
    host.prepare(31, upiu);
    host.ring(31);
    const { ocs, header } = host.answer(31);
    expect({ ocs, transaction: header.transaction, tag: header.taskTag, response: header.response }).toEqual({
      ocs: hw.Ocs.SUCCESS,
      transaction: hw.UpiuTransaction.NOP_IN,
      tag: 31,
      response: 0,
    });
    expect(host.read(hw.Reg.UTRLDBR)).toBe(0);
    expect(host.takeInterrupts()).toBe(hw.Is.UTRCS);
  });

  it("clears fDeviceInit by itself after it was set", () => {
    const host = new TestHost().up();
    const idn = hw.FlagIdn.FDEVICEINIT;
    const read = () => host.query(STANDARD_READ_REQUEST, { opcode: hw.QueryOpcode.READ_FLAG, idn }).fields.value;
    expect(host.query(STANDARD_WRITE_REQUEST, { opcode: hw.QueryOpcode.SET_FLAG, idn }).result).toBe(0);
    expect(read()).toBe(1);
    host.clock.advanceNs(1_000_000);
    expect(read()).toBe(0);
  });

  it("changes the power mode: IS.UPMS, and HCS.UPMCRS is 1", () => {
    const host = new TestHost().up();
    const set = (attr: number, value: number) => host.uic(hw.UicCommand.DME_SET, hw.uicMib(attr), value).result;
    expect(host.uic(hw.UicCommand.DME_GET, hw.uicMib(hw.UniproAttr.PA_CONNECTEDRXDATALANES)).value).toBe(2);
    expect(host.uic(hw.UicCommand.DME_PEER_GET, hw.uicMib(hw.UniproAttr.PA_MAXRXHSGEAR)).value).toBe(4);
    expect(set(hw.UniproAttr.PA_RXGEAR, 4)).toBe(0);
    expect(set(hw.UniproAttr.PA_TXGEAR, 4)).toBe(0);
    expect(set(hw.UniproAttr.PA_ACTIVERXDATALANES, 2)).toBe(0);
    expect(set(hw.UniproAttr.PA_ACTIVETXDATALANES, 2)).toBe(0);
    host.takeInterrupts();
    expect(set(hw.UniproAttr.PA_PWRMODE, 0x11)).toBe(0);
    expect(host.takeInterrupts()).toBe(hw.Is.UCCS | hw.Is.UPMS);
    expect((host.read(hw.Reg.HCS) >>> 8) & 7).toBe(hw.PowerModeStatus.LOCAL);
  });

  it("writes and reads blocks", () => {
    const host = new TestHost().up();
    const data = pattern(8192);
    expect(host.scsi({ cdb: cdb.write10(3, 2), dataOut: data })).toMatchObject({ ocs: 0, status: 0, residual: 0 });
    expect(host.medium.data.subarray(3 * 4096, 5 * 4096)).toEqual(data);
    host.memory.at(host.dataAddress(0), 8192).fill(0);
    const read = host.scsi({ cdb: cdb.read10(3, 2), dataInBytes: 8192 });
    expect(read).toMatchObject({ ocs: 0, status: 0, residual: 0 });
    expect(read.data).toEqual(data);
  });
});
