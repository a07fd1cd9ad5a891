import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { HeldMedium } from "../support/held-medium.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const NOWHERE = 0x8000_0000_0000;

describe("the transfer request list", () => {
  it("runs many requests at once, each with its own tag", () => {
    const host = new TestHost().up();
    const indexes = Array.from({ length: 32 }, (_, index) => index);
    for (const index of indexes) host.prepareScsi({ index, cdb: cdb.write10(index, 1), dataOut: pattern(4096, index) });
    host.ring(...indexes);
    expect(host.read(hw.Reg.UTRLDBR)).toBe(0);
    for (const index of indexes) {
      expect(host.answer(index)).toMatchObject({ ocs: 0, status: 0, header: { taskTag: index } });
      expect(host.medium.data.slice(index * 4096, index * 4096 + 4096)).toEqual(pattern(4096, index));
    }
  });

  it("notes completions in UTRLCNR until software clears them", () => {
    const host = new TestHost().up();
    host.write(hw.Reg.UTRLCNR, 0xffff_ffff);
    host.scsi({ index: 5, cdb: [0] });
    host.scsi({ index: 31, cdb: [0] });
    expect(host.read(hw.Reg.UTRLCNR)).toBe(0x8000_0020);
    host.write(hw.Reg.UTRLCNR, 0x20);
    expect(host.read(hw.Reg.UTRLCNR)).toBe(0x8000_0000);
  });

  it("does nothing while the list does not run, then what was rung", () => {
    const host = new TestHost().up();
    host.write(hw.Reg.UTRLRSR, 0);
    host.prepareScsi({ cdb: [0] });
    host.ring(0);
    expect(host.read(hw.Reg.UTRLDBR), "the doorbell cannot be rung").toBe(0);
    host.write(hw.Reg.UTRLRSR, 1);
    host.write(hw.Reg.UTRLDBR, 1);
    host.write(hw.Reg.UTRLRSR, 0);
    host.clock.settle();
    expect(host.isPending(0), "rung, then stopped").toBe(true);
    host.write(hw.Reg.UTRLRSR, 1);
    host.clock.settle();
    expect(host.isPending(0)).toBe(false);
  });

  it("cannot be rung before the link is up", () => {
    const host = new TestHost();
    host.enable();
    host.write(hw.Reg.UTRLRSR, 1);
    host.write(hw.Reg.UTRLDBR, 1);
    expect(host.read(hw.Reg.UTRLDBR)).toBe(0);
  });

  it("UTRLCLR forgets the requests whose bits are 0", () => {
    const medium = new HeldMedium(1 << 20);
    const host = new TestHost({ medium }).up();
    for (const index of [0, 1]) host.prepareScsi({ index, cdb: cdb.read10(index, 1), dataInBytes: 4096 });
    host.ring(0, 1);
    host.write(hw.Reg.UTRLCLR, 0xffff_fffe);
    expect([host.isPending(0), host.isPending(1)]).toEqual([false, true]);
    host.takeInterrupts();
    medium.release();
    expect(host.answer(0).ocs, "no answer to what was forgotten").toBe(hw.Ocs.INVALID_COMMAND_STATUS);
    expect(host.takeInterrupts()).toBe(0);
    medium.release();
    expect(host.answer(1).ocs).toBe(hw.Ocs.SUCCESS);
  });

  it("UTRLCLR forgets what was rung and not yet fetched", () => {
    const host = new TestHost().up();
    host.prepareScsi({ cdb: cdb.write10(0, 1), dataOut: pattern(4096) });
    host.write(hw.Reg.UTRLDBR, 1);
    host.write(hw.Reg.UTRLCLR, 0xffff_fffe);
    host.clock.settle();
    expect(host.medium.data.subarray(0, 4096)).toEqual(new Uint8Array(4096));
  });

  it("takes no more requests than it has memory for while given-up ones are at work", () => {
    const medium = new HeldMedium(1 << 20);
    const host = new TestHost({ medium, transferRequests: 1 }).up();
    host.prepareScsi({ cdb: cdb.read10(0, 1), dataInBytes: 4096 });
    host.ring(0);
    host.write(hw.Reg.UTRLCLR, 0xffff_fffe);
    host.ring(0);
    expect([host.isPending(0), medium.waiting.length]).toEqual([true, 1]);
    medium.release();
    host.clock.settle();
    expect(medium.waiting.length, "now the second one").toBe(1);
    medium.release();
    expect(host.answer(0).ocs).toBe(0);
  });
});

describe("malformed requests get the status the specification gives", () => {
  const command = { cdb: cdb.read10(0, 1), dataInBytes: 4096 };

  function withUtrd(change: Partial<hw.Utrd>): number {
    const host = new TestHost().up();
    host.prepareScsi(command);
    const bytes = host.memory.at(host.utrdAddress(0), hw.UTRD_BYTES);
    const utrd = hw.newUtrd();
    hw.parseUtrd(bytes, 0, utrd);
    hw.buildUtrd(bytes, 0, { ...utrd, ...change });
    host.takeInterrupts();
    host.ring(0);
    expect([host.isPending(0), host.takeInterrupts()]).toEqual([false, hw.Is.UTRCS]);
    return host.answer(0).ocs;
  }

  it("OCS 1: an unknown command type", () => {
    expect(withUtrd({ commandType: 2 })).toBe(hw.Ocs.INVALID_CMD_TABLE_ATTR);
  });

  it("OCS 1: a command descriptor that is misaligned or outside memory", () => {
    expect(withUtrd({ commandDescBase: new TestHost().commandAddress(0) + 64 })).toBe(hw.Ocs.INVALID_CMD_TABLE_ATTR);
    expect(withUtrd({ commandDescBase: NOWHERE })).toBe(hw.Ocs.INVALID_CMD_TABLE_ATTR);
  });

  it("OCS 2: a PRDT outside memory", () => {
    const host = new TestHost();
    const lastDescriptor = host.memory.bytes.length + 0x1000_0000 - 128;
    host.up();
    host.prepareScsi(command);
    const upiu = host.memory.at(host.commandAddress(0), 32).slice();
    host.prepare(0, upiu, { dataDirection: 2 });
    host.memory.at(lastDescriptor, 32).set(upiu);
    const bytes = host.memory.at(host.utrdAddress(0), hw.UTRD_BYTES);
    const utrd = { ...hw.newUtrd(), commandDescBase: lastDescriptor, prdtOffsetBytes: 128, prdtEntries: 1 };
    hw.buildUtrd(bytes, 0, { ...utrd, dataDirection: 2, responseOffsetBytes: 32, responseBytes: 64 });
    host.ring(0);
    expect(host.answer(0).ocs).toBe(hw.Ocs.INVALID_PRDT_ATTR);
  });

  for (const [name, address, bytes] of [
    ["whose memory is not there", NOWHERE, 4096],
    ["with an odd address", 0x1010_0002, 4096],
    ["with an odd length", 0x1010_0000, 4098],
  ] as const) {
    it(`OCS 2: a PRDT entry ${name}`, () => {
      const host = new TestHost().up();
      host.prepareScsi(command);
      host.prepare(0, host.memory.at(host.commandAddress(0), 32).slice(), { dataDirection: 2 }, [[address, bytes]]);
      host.ring(0);
      expect(host.answer(0).ocs).toBe(hw.Ocs.INVALID_PRDT_ATTR);
    });
  }

  it("OCS 3: a PRDT that is too short, missing, or for the other direction", () => {
    const host = new TestHost().up();
    expect(host.scsi({ ...command, segments: [2048, 1024] }).ocs).toBe(hw.Ocs.MISMATCH_DATA_BUF_SIZE);
    expect(withUtrd({ prdtEntries: 0 })).toBe(hw.Ocs.MISMATCH_DATA_BUF_SIZE);
    expect(withUtrd({ dataDirection: hw.DataDirection.HOST_TO_DEVICE })).toBe(hw.Ocs.MISMATCH_DATA_BUF_SIZE);
  });

  it("OCS 4: no room for the response", () => {
    expect(withUtrd({ responseBytes: 28 })).toBe(hw.Ocs.MISMATCH_RESP_UPIU_SIZE);
    expect(withUtrd({ responseBytes: 32 })).toBe(hw.Ocs.SUCCESS);
  });

  it("OCS 5: the link hibernates", () => {
    const host = new TestHost().up();
    host.uic(hw.UicCommand.DME_HIBERNATE_ENTER);
    expect(host.scsi(command).ocs).toBe(hw.Ocs.PEER_COMM_FAILURE);
    host.uic(hw.UicCommand.DME_HIBERNATE_EXIT);
    expect(host.scsi(command).ocs).toBe(hw.Ocs.SUCCESS);
  });

  it("REJECT: an unknown transaction", () => {
    const host = new TestHost().up();
    const upiu = new Uint8Array(32);
    hw.buildUpiuHeader(upiu, 0, {
      ...hw.newUpiuHeader(),
      transaction: hw.UpiuTransaction.DATA_OUT,
      taskTag: 9,
      lun: 2,
    });
    host.prepare(0, upiu);
    host.ring(0);
    const { ocs, header, upiu: response } = host.answer(0);
    expect(ocs).toBe(hw.Ocs.SUCCESS);
    expect(header).toMatchObject({ transaction: hw.UpiuTransaction.REJECT, taskTag: 9, lun: 2, response: 1 });
    expect(response[12], "basic header status: invalid transaction type").toBe(1);
  });

  it("a list outside memory is a system bus fatal error: nothing runs until a host reset", () => {
    const host = new TestHost().up();
    host.write(hw.Reg.UTRLBAU, 1);
    host.ring(0);
    expect(host.takeInterrupts()).toBe(hw.Is.SBFES);
    host.write(hw.Reg.UTRLBAU, 0);
    host.prepareScsi({ cdb: [0] });
    host.ring(0);
    expect(host.answer(0).ocs).toBe(hw.Ocs.INVALID_COMMAND_STATUS);
    host.write(hw.Reg.HCE, 0);
    host.up();
    expect(host.scsi({ cdb: [0] }).ocs).toBe(hw.Ocs.SUCCESS);
  });
});

describe("data", () => {
  it("walks a PRDT that is longer than one look at it", () => {
    const host = new TestHost().up();
    const data = pattern(131_072);
    const segments = new Array(256).fill(512);
    expect(host.scsi({ cdb: cdb.write10(0, 32), dataOut: data, segments })).toMatchObject({ ocs: 0, status: 0 });
    expect(Buffer.compare(host.medium.data.subarray(0, 131_072), data)).toBe(0);
    host.memory.at(host.dataAddress(0), 131_072).fill(0);
    const read = host.scsi({ cdb: cdb.read10(0, 32), dataInBytes: 131_072, segments }).data;
    expect(Buffer.compare(read, data)).toBe(0);
  });

  it("moves no more than the command is about: the rest is the residual", () => {
    const host = new TestHost().up();
    host.medium.data.set(pattern(4096));
    const answer = host.scsi({ cdb: cdb.read10(0, 1), dataInBytes: 8192 });
    expect(answer).toMatchObject({ ocs: 0, residual: 4096 });
    expect(answer.header.flags).toBe(hw.UpiuResponseFlag.UNDERFLOW);
    expect(answer.data.slice(4096)).toEqual(new Uint8Array(4096));
  });
});

it("a request rung before the link goes down does not reach the device", () => {
  const host = new TestHost().up();
  host.prepareScsi({ cdb: cdb.write10(0, 1), dataOut: pattern(4096) });
  host.write(hw.Reg.UICCMD, hw.UicCommand.DME_RESET);
  host.write(hw.Reg.UTRLDBR, 1);
  host.clock.settle();
  expect(host.isPending(0)).toBe(true);
  expect(host.medium.data.subarray(0, 4096)).toEqual(new Uint8Array(4096));
});
