import { referenceEncrypt } from "@inlinecrypt/reference-crypto";
import type { FaultRule } from "@inlinecrypt/ufshcd-emulator/controller";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const KEY = pattern(64, 3);
const PLAIN = pattern(4096);
const crypto = { slot: 1, dun: 4n };
const WRITE = { cdb: cdb.write10(0, 1), dataOut: PLAIN, crypto };
const { Ocs, Is } = hw;

function hostWith(...faults: readonly FaultRule[]): TestHost {
  const host = new TestHost({ faults }).up();
  host.programKey(1, KEY);
  return host;
}

describe("[UFS-24] an injected engine fault", () => {
  it("ends a command with OCS 0xA, writes nothing, and is over", () => {
    const host = hostWith({ kind: "engineFault" });
    expect(host.scsi(WRITE).ocs).toBe(Ocs.GENERAL_CRYPTO_ERROR);
    expect(host.medium.data.subarray(0, 4096)).toEqual(new Uint8Array(4096));
    expect(host.scsi(WRITE).ocs).toBe(Ocs.SUCCESS);
    expect(host.medium.data.slice(0, 4096)).toEqual(referenceEncrypt("xts(aes)", KEY, 4096, 4n, PLAIN));
  });

  it("befalls no command that is not encrypted", () => {
    const host = hostWith({ kind: "engineFault" }, { kind: "engineFatal" });
    expect(host.scsi({ cdb: cdb.write10(0, 1), dataOut: PLAIN }).ocs).toBe(Ocs.SUCCESS);
  });

  it("raises IS bit 18 when it is fatal; nothing runs, no task management either, until a host reset", () => {
    const host = hostWith({ kind: "engineFatal" });
    host.prepareScsi(WRITE);
    host.prepareScsi({ cdb: [0], index: 1 });
    host.takeInterrupts();
    host.ring(0, 1);
    expect([host.takeInterrupts(), host.irq]).toEqual([Is.CEFES, false]);
    expect([host.read(hw.Reg.UTRLDBR), host.answer(0).ocs, host.answer(1).ocs]).toEqual([3, 0xf, 0xf]);
    host.ring(2);
    host.write(hw.Reg.UTMRLDBR, 1);
    host.clock.settle();
    expect([host.read(hw.Reg.UTRLDBR), host.read(hw.Reg.UTMRLDBR), host.read(hw.Reg.IS)]).toEqual([3, 0, 0]);
    host.write(hw.Reg.HCE, 0);
    host.up();
    host.programKey(1, KEY);
    expect(host.scsi(WRITE).ocs).toBe(Ocs.SUCCESS);
  });
});

describe("other faults", () => {
  it("programFails: a slot is enabled and unusable until it is programmed again", () => {
    const host = hostWith({ kind: "programFails", slotIndex: 1 });
    expect(host.read(host.cryptoCfg(1, 16))).toBe(0x8000_0008);
    expect(host.scsi(WRITE).ocs).toBe(Ocs.INVALID_CRYPTO_CONFIG);
    host.programKey(1, KEY);
    expect(host.scsi(WRITE).ocs).toBe(Ocs.SUCCESS);
  });

  it("controllerFatal and deviceFatal raise IS.HCFES and IS.DFES", () => {
    for (const [kind, bit] of [
      ["controllerFatal", Is.HCFES],
      ["deviceFatal", Is.DFES],
    ] as const) {
      const host = hostWith({ kind, opcode: hw.ScsiOp.WRITE_10 });
      host.takeInterrupts();
      expect(host.scsi(WRITE).ocs).toBe(Ocs.INVALID_COMMAND_STATUS);
      expect(host.takeInterrupts()).toBe(bit);
    }
  });

  it("lostCompletion: the command is done but stays in the device until it is aborted", () => {
    const host = hostWith({ kind: "lostCompletion", opcode: hw.ScsiOp.WRITE_10 });
    host.takeInterrupts();
    expect(host.scsi(WRITE).ocs).toBe(Ocs.INVALID_COMMAND_STATUS);
    expect([host.isPending(0), host.takeInterrupts()]).toEqual([true, 0]);
    const { FUNC_SUCCEEDED, FUNC_COMPL } = hw.TaskResponse;
    expect(host.manageTask(hw.TaskFunction.QUERY_TASK, 0, 0).response).toBe(FUNC_SUCCEEDED);
    expect(host.manageTask(hw.TaskFunction.ABORT_TASK, 0, 0)).toMatchObject({ response: FUNC_COMPL, pending: false });
    expect(host.manageTask(hw.TaskFunction.QUERY_TASK, 0, 0).response).toBe(FUNC_COMPL);
    host.write(hw.Reg.UTRLCLR, ~1);
    expect(host.scsi(WRITE).ocs).toBe(Ocs.SUCCESS);
  });

  it("lostInterrupt: everything but IS.UTRCS", () => {
    const host = hostWith({ kind: "lostInterrupt", opcode: hw.ScsiOp.WRITE_10 });
    host.takeInterrupts();
    expect(host.scsi(WRITE)).toMatchObject({ ocs: Ocs.SUCCESS, status: 0 });
    expect([host.isPending(0), host.takeInterrupts()]).toEqual([false, 0]);
  });

  it("slowCommand: completes after the delay, or not when it is aborted before", () => {
    const rule: FaultRule = { kind: "slowCommand", delayNs: 5_000_000, opcode: hw.ScsiOp.WRITE_10, times: 2 };
    const host = hostWith(rule);
    host.scsi(WRITE);
    host.clock.advanceNs(4_999_000);
    expect(host.isPending(0)).toBe(true);
    host.clock.advanceNs(1_000);
    expect([host.isPending(0), host.answer(0).ocs]).toEqual([false, Ocs.SUCCESS]);
    host.scsi(WRITE);
    host.manageTask(hw.TaskFunction.ABORT_TASK, 0, 0);
    expect(host.clock.executor.isIdle, "no timer is left").toBe(true);
  });
});

describe("which commands a rule befalls", () => {
  const faulty = (host: TestHost, count: number): boolean[] =>
    Array.from({ length: count }, () => host.scsi(WRITE).ocs === Ocs.GENERAL_CRYPTO_ERROR);

  it("skip and times", () => {
    expect(faulty(hostWith({ kind: "engineFault", skip: 2, times: 2 }), 6)).toEqual([
      false,
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(faulty(hostWith({ kind: "engineFault", times: 0 }), 2)).toEqual([false, false]);
  });

  it("slot and opcode", () => {
    const host = hostWith({ kind: "engineFault", slotIndex: 0 }, { kind: "engineFault", opcode: hw.ScsiOp.READ_10 });
    expect(faulty(host, 2)).toEqual([false, false]);
    expect(host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096, crypto }).ocs).toBe(Ocs.GENERAL_CRYPTO_ERROR);
  });

  it("rules may come later, and go", () => {
    const host = hostWith();
    expect(host.controller.faults.isEmpty).toBe(true);
    host.controller.faults.add({ kind: "engineFault", times: Number.POSITIVE_INFINITY });
    expect(faulty(host, 3)).toEqual([true, true, true]);
    host.controller.faults.clear();
    expect(faulty(host, 1)).toEqual([false]);
  });
});
