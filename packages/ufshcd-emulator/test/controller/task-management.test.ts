import { describe, expect, it } from "vitest";
import * as hw from "../../src/ufshci/index.js";
import { HeldMedium } from "../support/held-medium.js";
import { cdb, pattern, TestHost } from "../support/test-host.js";

const { TaskFunction, TaskResponse } = hw;

/** A host with a read of block `index` under way in each of `indexes`, on logical unit `index % 2`. */
function busyHost(...indexes: readonly number[]): { host: TestHost; medium: HeldMedium } {
  const medium = new HeldMedium(1 << 20);
  const host = new TestHost({ logicalUnits: [{ medium }, { medium }] }).up();
  for (const index of indexes) {
    host.prepareScsi({ index, tag: 40 + index, lun: index % 2, cdb: cdb.read10(index, 1), dataInBytes: 4096 });
  }
  host.ring(...indexes);
  host.takeInterrupts();
  return { host, medium };
}

describe("task management", () => {
  it("QUERY TASK tells whether a task is in the device", () => {
    const { host } = busyHost(0);
    expect(host.manageTask(TaskFunction.QUERY_TASK, 0, 40).response).toBe(TaskResponse.FUNC_SUCCEEDED);
    expect(host.takeInterrupts()).toBe(hw.Is.UTMRCS);
    expect(host.manageTask(TaskFunction.QUERY_TASK, 0, 41).response).toBe(TaskResponse.FUNC_COMPL);
    expect(host.manageTask(TaskFunction.QUERY_TASK, 1, 40).response, "of another unit").toBe(TaskResponse.FUNC_COMPL);
  });

  it("interrupts when the request asks for it, or when it fails", () => {
    const { host } = busyHost();
    const descriptor = host.memory.at(host.utmrdAddress(0), hw.UTMRD_BYTES);
    const isAfter = (transaction: number, interrupt: boolean): number => {
      const request = { ...hw.newUpiuHeader(), transaction, func: TaskFunction.QUERY_TASK };
      hw.buildUtmrd(descriptor, 0, { ...hw.newUtmrd(), interrupt, request });
      host.write(hw.Reg.UTMRLDBR, 1);
      host.clock.settle();
      expect(host.taskAnswer(0).pending).toBe(false);
      return host.takeInterrupts();
    };
    expect(isAfter(hw.UpiuTransaction.TASK_REQ, true)).toBe(hw.Is.UTMRCS);
    expect(isAfter(hw.UpiuTransaction.TASK_REQ, false)).toBe(0);
    expect(isAfter(hw.UpiuTransaction.NOP_OUT, false), "OCS 1").toBe(hw.Is.UTMRCS);
  });

  it("QUERY TASK SET asks for a whole unit", () => {
    const { host } = busyHost(0);
    expect(host.manageTask(TaskFunction.QUERY_TASK_SET, 0, 0).response).toBe(TaskResponse.FUNC_SUCCEEDED);
    expect(host.manageTask(TaskFunction.QUERY_TASK_SET, 1, 0).response).toBe(TaskResponse.FUNC_COMPL);
  });

  it("ABORT TASK answers when the medium has let go of the task, which never completes", () => {
    const { host, medium } = busyHost(0, 2);
    const aborted = host.manageTask(TaskFunction.ABORT_TASK, 0, 40, 3);
    expect(aborted.pending, "the medium is still at work").toBe(true);
    expect(host.takeInterrupts()).toBe(0);
    medium.release();
    expect(host.taskAnswer(3)).toEqual({ ocs: 0, response: TaskResponse.FUNC_COMPL, pending: false });
    expect(host.takeInterrupts()).toBe(hw.Is.UTMRCS);
    expect([host.isPending(0), host.answer(0).ocs], "the doorbell is software's to clear").toEqual([true, 0xf]);
    host.write(hw.Reg.UTRLCLR, ~1);
    expect(host.isPending(0)).toBe(false);
    medium.release();
    expect(host.answer(2).ocs, "the other one goes on").toBe(0);
  });

  it("ABORT TASK of a task that has gone is fine", () => {
    const host = new TestHost().up();
    expect(host.manageTask(TaskFunction.ABORT_TASK, 0, 9)).toEqual({ ocs: 0, response: 0, pending: false });
  });

  for (const [name, func] of [
    ["ABORT TASK SET", TaskFunction.ABORT_TASK_SET],
    ["CLEAR TASK SET", TaskFunction.CLEAR_TASK_SET],
    ["LOGICAL UNIT RESET", TaskFunction.LOGICAL_UNIT_RESET],
  ] as const) {
    it(`${name} drops every task of the unit, and of no other`, () => {
      const { host, medium } = busyHost(0, 1, 2);
      host.manageTask(func, 0, 0);
      medium.release();
      medium.release();
      medium.release();
      expect(host.taskAnswer(0)).toMatchObject({ response: TaskResponse.FUNC_COMPL, pending: false });
      expect([0, 1, 2].map((index) => host.answer(index).ocs)).toEqual([0xf, 0, 0xf]);
    });
  }

  it("LOGICAL UNIT RESET leaves a unit attention", () => {
    const host = new TestHost().up();
    host.manageTask(TaskFunction.LOGICAL_UNIT_RESET, 0, 0);
    expect(host.scsi({ cdb: [0] }).sense).toBe(hw.Sense.BUS_DEVICE_RESET);
    expect(host.scsi({ cdb: [0] })).toMatchObject({ ocs: 0, status: 0 });
  });

  it("a unit that is not there, and a function nobody knows, are answered so", () => {
    const host = new TestHost().up();
    expect(host.manageTask(TaskFunction.ABORT_TASK, 5, 0).response).toBe(TaskResponse.INCORRECT_LOGICAL_UNIT_NO);
    expect(host.manageTask(0x40, 0, 0).response).toBe(TaskResponse.FUNC_NOT_SUPPORTED);
  });

  it("the response repeats logical unit and tag of the request", () => {
    const host = new TestHost().up();
    host.manageTask(TaskFunction.QUERY_TASK, 0, 17, 2);
    const header = hw.newUpiuHeader();
    hw.parseUpiuHeader(host.memory.at(host.utmrdAddress(2), hw.UTMRD_BYTES), hw.UTMRD_RESPONSE_AT, header);
    expect(header).toMatchObject({ transaction: hw.UpiuTransaction.TASK_RSP, lun: 0, taskTag: 2, dataSegmentBytes: 0 });
  });

  it("a request that is no task-management request ends with OCS 1", () => {
    const host = new TestHost().up();
    host.memory.at(host.utmrdAddress(0), hw.UTMRD_BYTES).fill(0);
    host.write(hw.Reg.UTMRLDBR, 1);
    host.clock.settle();
    expect(host.taskAnswer(0)).toMatchObject({ ocs: hw.Ocs.INVALID_CMD_TABLE_ATTR, pending: false });
  });

  it("UTMRLCLR forgets a request; one that was forgotten is not answered", () => {
    const { host, medium } = busyHost(0);
    host.manageTask(TaskFunction.ABORT_TASK, 0, 40);
    host.write(hw.Reg.UTMRLCLR, 0xfe);
    expect(host.read(hw.Reg.UTMRLDBR)).toBe(0);
    medium.release();
    expect(host.taskAnswer(0).ocs).toBe(0xf);
    expect(host.takeInterrupts()).toBe(0);
  });

  it("UTMRLCLR before a request is looked at: nothing happens", () => {
    const host = new TestHost().up();
    const descriptor = host.memory.at(host.utmrdAddress(0), hw.UTMRD_BYTES);
    const request = {
      ...hw.newUpiuHeader(),
      transaction: hw.UpiuTransaction.TASK_REQ,
      func: TaskFunction.LOGICAL_UNIT_RESET,
    };
    hw.buildUtmrd(descriptor, 0, { ...hw.newUtmrd(), request });
    host.write(hw.Reg.UTMRLDBR, 1);
    host.write(hw.Reg.UTMRLCLR, 0xfe);
    host.clock.settle();
    expect(host.scsi({ cdb: [0] }).status, "no unit attention").toBe(0);
  });

  it("cannot be rung while its list does not run; a list outside memory is fatal", () => {
    const host = new TestHost().up();
    host.write(hw.Reg.UTMRLRSR, 0);
    host.write(hw.Reg.UTMRLDBR, 1);
    expect(host.read(hw.Reg.UTMRLDBR)).toBe(0);
    host.write(hw.Reg.UTMRLRSR, 1);
    host.write(hw.Reg.UTMRLBAU, 9);
    host.write(hw.Reg.UTMRLDBR, 1);
    host.clock.settle();
    expect(host.takeInterrupts()).toBe(hw.Is.SBFES);
  });

  it("an aborted write may still have reached the medium, and a later one wins", () => {
    const medium = new HeldMedium(1 << 20);
    const host = new TestHost({ medium }).up();
    host.prepareScsi({ index: 0, cdb: cdb.write10(0, 1), dataOut: pattern(4096, 1) });
    host.ring(0);
    host.manageTask(TaskFunction.ABORT_TASK, 0, 0);
    host.prepareScsi({ index: 1, cdb: cdb.write10(0, 1), dataOut: pattern(4096, 2) });
    medium.release();
    host.ring(1);
    medium.release();
    expect(medium.memory.data.slice(0, 4096)).toEqual(pattern(4096, 2));
  });
});
