import type { UfsEvent } from "@inlinecrypt/ufshcd-emulator/controller";
import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

function observed(host: TestHost): UfsEvent[] {
  const events: UfsEvent[] = [];
  host.controller.events.observe((event) => events.push(event));
  return events;
}

describe("observers see", () => {
  it("keyslots being programmed and cleared, and whether they are of use", () => {
    const host = new TestHost().up();
    const events = observed(host);
    host.programKey(3, pattern(64));
    host.programKey(2, pattern(64), { capIndex: 9 });
    host.write(host.cryptoCfg(3, 16), 0);
    host.write(host.cryptoCfg(3, 16), 0);
    host.write(hw.Reg.HCE, 0);
    expect(events).toEqual([
      { type: "keyslotProgrammed", slotIndex: 3, capIndex: 0, dataUnitBytes: 4096, usable: true },
      { type: "keyslotProgrammed", slotIndex: 2, capIndex: 9, dataUnitBytes: 4096, usable: false },
      { type: "keyslotCleared", slotIndex: 3 },
      { type: "hostReset" },
      { type: "keyslotCleared", slotIndex: 2 },
    ]);
  });

  it("commands: tag, unit, keyslot, DUN, how they ended", () => {
    const host = new TestHost().up();
    host.programKey(0, pattern(64));
    const events = observed(host);
    const dun = 0x1_0000_0002n;
    host.scsi({ index: 4, tag: 77, cdb: cdb.write10(0, 1), dataOut: pattern(4096), crypto: { slot: 0, dun } });
    host.scsi({ index: 5, cdb: cdb.read10(0, 1), dataInBytes: 4096, crypto: { slot: 6, dun: 0n } });
    host.scsi({ lun: 0xd0, cdb: [0] });
    expect(events).toEqual([
      { type: "commandStarted", tag: 77, lun: 0, opcode: 0x2a, bytes: 4096, slotIndex: 0, dun },
      { type: "commandEnded", tag: 77, lun: 0, opcode: 0x2a, ocs: 0, status: 0 },
      { type: "commandStarted", tag: 5, lun: 0, opcode: 0x28, bytes: 4096, slotIndex: 6, dun: 0n },
      { type: "commandEnded", tag: 5, lun: 0, opcode: 0x28, ocs: 9, status: 0 },
      { type: "commandStarted", tag: 0, lun: 0xd0, opcode: 0, bytes: 0, slotIndex: -1, dun: 0n },
      { type: "commandEnded", tag: 0, lun: 0xd0, opcode: 0, ocs: 0, status: 0 },
    ]);
  });

  it("the life of the link, queries, task management, and what breaks", () => {
    const host = new TestHost();
    const events = observed(host);
    host.enable();
    host.startLink();
    host.readDescriptor(hw.DescriptorIdn.DEVICE);
    host.manageTask(hw.TaskFunction.QUERY_TASK, 0, 3);
    host.write(hw.Reg.UTRLBAU, 1);
    host.ring(0);
    expect(events).toEqual([
      { type: "hostEnabled", cryptoEnabled: true },
      { type: "deviceReset" },
      { type: "uicCommand", command: 0x16, attr: 0, value: 0, result: 0 },
      { type: "deviceManagement", tag: 7, opcode: 1, idn: 0, result: 0, ocs: 0 },
      { type: "taskManagement", func: 0x80, lun: 0, tag: 3, response: 0 },
      { type: "fatalError", is: hw.Is.SBFES },
    ]);
  });

  it("nothing any more once they have stopped", () => {
    const host = new TestHost().up();
    const events: UfsEvent[] = [];
    const stop = host.controller.events.observe((event) => events.push(event));
    const others = observed(host);
    stop();
    host.scsi({ cdb: [0] });
    expect([events.length, others.length]).toEqual([0, 2]);
  });

  it("no key bytes", () => {
    const host = new TestHost().up();
    const events = observed(host);
    host.programKey(0, new Uint8Array(64).fill(0xab).fill(0xcd, 32));
    expect(JSON.stringify(events)).not.toMatch(/171|205|abab|cdcd/);
  });
});
