import { BlkStatus, ReqOp, Volume } from "@inlinecrypt/blk-core";
import { describe, expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { expectSameBytes, makeKey, pattern } from "./support/keys.js";
import { UfsRig } from "./support/ufs-rig.js";

const [QUERY_TASK, ABORT_TASK, LOGICAL_UNIT_RESET] = [0x80, 0x01, 0x08];
const UTMRLDBR = 0x78;
const HCE = 0x34;

/** Many encrypted writes under several keys, all at once. */
function writeMany(rig: UfsRig, volumes: Volume[], count = 40): Promise<BlkStatus[]> {
  const { bdev } = rig.hba.luns[0]!;
  return Promise.all(
    Array.from({ length: count }, (_, index) => {
      const volume = volumes[index % volumes.length]!;
      return submit(bdev, ReqOp.WRITE, index * 8192, pattern(4096, index), volume);
    }),
  );
}

async function expectWritten(rig: UfsRig, volumes: Volume[], count = 40): Promise<void> {
  for (let index = 0; index < count; index++) {
    const back = new Uint8Array(4096);
    await rig.drive(volumes[index % volumes.length]!.read(index * 8192, back));
    expectSameBytes(back, pattern(4096, index));
  }
}

function encryptedVolumes(rig: UfsRig): Volume[] {
  return [1, 2, 3].map((fill) => new Volume(rig.hba.luns[0]!.bdev, { key: makeKey(fill) }));
}

describe("a command that does not end", () => {
  it("is found when only its interrupt was lost", async () => {
    const rig = await UfsRig.start({ faults: [{ kind: "lostInterrupt", opcode: 0x2a }] });
    const started = rig.executor.nowMs();
    await rig.drive(rig.hba.luns[0]!.bdev.write(0, pattern(4096)));
    expect(rig.executor.nowMs() - started).toBeGreaterThanOrEqual(30_000);
    expect(rig.taskFunctions).toEqual([]);
    expect(rig.count("hostReset")).toBe(0);
    await rig.end();
  });

  it("is aborted and tried again: query task, abort task, slot cleared", async () => {
    const rig = await UfsRig.start({ faults: [{ kind: "lostCompletion", opcode: 0x2a }] }, { commandTimeoutMs: 5000 });
    const volumes = encryptedVolumes(rig);
    const statuses = await rig.drive(writeMany(rig, volumes));
    expect(new Set(statuses)).toEqual(new Set([BlkStatus.OK]));
    expect(rig.taskFunctions).toEqual([QUERY_TASK, ABORT_TASK]);
    expect(rig.count("hostReset")).toBe(0);
    await expectWritten(rig, volumes);
    expect(rig.tracer.events.join("\n")).toContain("took too long");
    await rig.end();
  });

  it("ends with an error when it never ends, however often it is tried", async () => {
    const rig = await UfsRig.start(
      { faults: [{ kind: "lostCompletion", opcode: 0x2a, times: 6 }] },
      { commandTimeoutMs: 100 },
    );
    await expect(rig.drive(rig.hba.luns[0]!.bdev.write(0, pattern(4096)))).rejects.toMatchObject({ code: "EIO" });
    expect(rig.taskFunctions.filter((func) => func === ABORT_TASK)).toHaveLength(6);
    await rig.drive(rig.hba.luns[0]!.bdev.write(0, pattern(4096)));
    await rig.end();
  });

  it("resets its logical unit, and none else, when it cannot be aborted", async () => {
    const rig = await UfsRig.start({}, { commandTimeoutMs: 1000 }, 2);
    rig.controller.faults.add({ kind: "lostCompletion", opcode: 0x2a, times: 3 });
    let ignored = 0;
    // The first task-management request is lost: the abort fails.
    rig.mmio.onWrite = (offset) => offset !== UTMRLDBR || ignored++ > 0;
    const [unit, other] = rig.hba.luns;
    const writes = [0, 1, 2].map((index) => submit(unit!.bdev, ReqOp.WRITE, index * 8192, pattern(4096, index)));
    const elsewhere = submit(other!.bdev, ReqOp.WRITE, 0, pattern(4096, 9));
    expect(await rig.drive(elsewhere)).toBe(BlkStatus.OK);
    expect(await rig.drive(Promise.all(writes))).toEqual([BlkStatus.OK, BlkStatus.OK, BlkStatus.OK]);
    expect(rig.taskFunctions).toEqual([LOGICAL_UNIT_RESET]);
    expect(rig.count("hostReset")).toBe(0);
    expect(rig.media[0]!.data.subarray(8192, 12288)).toEqual(pattern(4096, 1));
    await rig.end();
  });

  it("resets the host when nothing else helps; keys are programmed again", async () => {
    const rig = await UfsRig.start({}, { commandTimeoutMs: 1000 });
    rig.controller.faults.add({ kind: "lostCompletion", opcode: 0x2a });
    rig.mmio.onWrite = (offset) => offset !== UTMRLDBR;
    const volumes = encryptedVolumes(rig);
    expect(new Set(await rig.drive(writeMany(rig, volumes)))).toEqual(new Set([BlkStatus.OK]));
    expect(rig.count("hostReset")).toBe(1);
    rig.mmio.onWrite = () => true;
    await expectWritten(rig, volumes);
    await rig.end();
  });

  it("does not keep the host from closing", async () => {
    const rig = await UfsRig.start({ faults: [{ kind: "lostCompletion", opcode: 0x2a }] });
    const write = rig.hba.luns[0]!.bdev.write(0, pattern(4096));
    await rig.end();
    await write;
  });
});

describe("fatal errors", () => {
  for (const kind of ["engineFatal", "controllerFatal", "deviceFatal"] as const) {
    it(`[UFS-10] [UFS-15] ${kind}: the host is reset, live keys are programmed before HCE, nothing is lost`, async () => {
      const rig = await UfsRig.start();
      const volumes = encryptedVolumes(rig);
      await rig.drive(writeMany(rig, volumes, 3));
      rig.events.length = 0;
      rig.controller.faults.add({ kind, opcode: 0x2a, skip: 11 });
      expect(new Set(await rig.drive(writeMany(rig, volumes)))).toEqual(new Set([BlkStatus.OK]));
      const types = rig.events.map(({ type }) => type);
      const reset = types.indexOf("hostReset");
      const enabled = rig.events.findIndex((event) => event.type === "hostEnabled" && event.cryptoEnabled);
      expect(types.indexOf("fatalError")).toBeLessThan(reset);
      expect(reset).toBeLessThan(enabled);
      expect(types.slice(reset, enabled).filter((type) => type === "keyslotProgrammed")).toHaveLength(3);
      await expectWritten(rig, volumes);
      expect(rig.tracer.events.join("\n")).toContain("ufshcd_check_errors");
      await rig.end();
    });
  }

  it("while the host is reset: tried again, and I/O waits", async () => {
    const rig = await UfsRig.start();
    rig.controller.faults.add({ kind: "controllerFatal", opcode: 0x2a });
    let hangs = 2;
    // The first two starts of the link fail.
    rig.mmio.onWrite = (offset, value) => !(offset === 0x90 && value === 0x16 && hangs-- > 0);
    const volumes = encryptedVolumes(rig);
    expect(new Set(await rig.drive(writeMany(rig, volumes)))).toEqual(new Set([BlkStatus.OK]));
    await expectWritten(rig, volumes);
    await rig.end();
  });

  it("a host that does not come back fails all I/O, and still closes", async () => {
    const rig = await UfsRig.start();
    rig.controller.faults.add({ kind: "controllerFatal", opcode: 0x2a });
    rig.mmio.onWrite = (offset, value) => offset !== HCE || value === 0;
    const statuses = await rig.drive(writeMany(rig, encryptedVolumes(rig)));
    expect(new Set(statuses)).toEqual(new Set([BlkStatus.IOERR]));
    expect(rig.hba.state).toBe("failed");
    await expect(rig.drive(rig.hba.luns[0]!.bdev.read(0, new Uint8Array(4096)))).rejects.toMatchObject({ code: "EIO" });
    await rig.end();
  });
});

describe("a controller that neither ends a command nor gives its slot back", () => {
  const [UTRLDBR, UTRLCLR] = [0x58, 0x5c];

  /** Nothing but a reset clears a doorbell. */
  function keepSlots({ mmio }: UfsRig): void {
    let rung = 0;
    mmio.onWrite = (offset, value) => {
      if (offset === HCE) rung = 0;
      if (offset === UTRLDBR) rung |= value;
      return offset !== UTRLDBR && offset !== UTRLCLR;
    };
    mmio.onRead = (offset) => (offset === UTRLDBR ? rung >>> 0 : undefined);
  }

  it("cannot be probed", async () => {
    const rig = new UfsRig();
    keepSlots(rig);
    await expect(rig.probe()).rejects.toMatchObject({ code: "EIO", op: "ufshcd_exec_dev_cmd" });
    expect([rig.controller.read32(HCE), rig.executor.isIdle]).toEqual([0, true]);
  });

  it("does not come back from a reset: all I/O fails, and the host closes", async () => {
    const rig = await UfsRig.start();
    rig.controller.faults.add({ kind: "controllerFatal", opcode: 0x2a });
    const statuses = writeMany(rig, encryptedVolumes(rig));
    keepSlots(rig);
    expect(new Set(await rig.drive(statuses))).toEqual(new Set([BlkStatus.IOERR]));
    expect(rig.hba.state).toBe("failed");
    await rig.end();
  });
});

describe("a fatal error at the end", () => {
  const [START_STOP_UNIT, INQUIRY] = [0x1b, 0x12];

  it("of a close: recovery is over, and the controller off, when the host has closed", async () => {
    const rig = await UfsRig.start();
    rig.controller.faults.add({ kind: "deviceFatal", opcode: START_STOP_UNIT });
    await rig.drive(rig.hba.close());
    expect([rig.hba.state, rig.controller.read32(HCE), rig.executor.isIdle]).toEqual(["closed", 0, true]);
    await rig.end();
  });

  it("of a probe that fails: recovery is over, and the controller off, when it has failed", async () => {
    const rig = new UfsRig({ faults: [{ kind: "deviceFatal", opcode: INQUIRY }] });
    await expect(rig.probe()).rejects.toMatchObject({ code: "EIO" });
    expect([rig.controller.read32(HCE), rig.executor.isIdle]).toEqual([0, true]);
  });
});

describe("errors of the crypto engine", () => {
  it("[UFS-14] OCS 0xA is logged and tried again", async () => {
    const rig = await UfsRig.start({ faults: [{ kind: "engineFault", times: 5 }] });
    const [volume] = encryptedVolumes(rig);
    await rig.drive(volume!.write(0, pattern(4096)));
    const logged = rig.tracer.events.filter((event) => event.startsWith("ufshcd_transfer_rsp_status"));
    expect(logged).toHaveLength(5);
    expect(logged[0]).toContain('"ocs":10');
    const back = new Uint8Array(4096);
    await rig.drive(volume!.read(0, back));
    expect(back).toEqual(pattern(4096));
    await rig.end();
  });

  it("[UFS-14] OCS 0xA for ever is an I/O error after 5 retries, and no wrong data", async () => {
    const rig = await UfsRig.start({ faults: [{ kind: "engineFault", times: 6 }] });
    const [volume] = encryptedVolumes(rig);
    await expect(rig.drive(volume!.write(0, pattern(4096)))).rejects.toMatchObject({ code: "EIO" });
    expect(rig.events.filter((event) => event.type === "commandEnded" && event.ocs === 0xa)).toHaveLength(6);
    expect(rig.media[0]!.data.subarray(0, 4096)).toEqual(new Uint8Array(4096));
    await rig.drive(volume!.write(0, pattern(4096)));
    await rig.end();
  });

  it("[UFS-14] OCS 9, of a slot the engine did not take: retries, then an I/O error", async () => {
    const rig = await UfsRig.start({ faults: [{ kind: "programFails" }] });
    const [first, second] = encryptedVolumes(rig);
    await expect(rig.drive(first!.write(0, pattern(4096)))).rejects.toMatchObject({ code: "EIO" });
    expect(rig.events.filter((event) => event.type === "commandEnded" && event.ocs === 9)).toHaveLength(6);
    expect(rig.media[0]!.data.subarray(0, 4096)).toEqual(new Uint8Array(4096));
    await rig.drive(second!.write(0, pattern(4096)));
    await rig.end();
  });
});
