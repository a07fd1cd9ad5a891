import { BlkStatus, ReqOp, Volume } from "@inlinecrypt/blk-core";
import { blkCryptoEvictKey } from "@inlinecrypt/blk-crypto-profile";
import { describe, expect, it } from "vitest";
import { submit } from "./support/bios.js";
import { expectSameBytes, makeKey, pattern } from "./support/keys.js";
import { UfsRig } from "./support/ufs-rig.js";

const [HIBERNATE_ENTER, HIBERNATE_EXIT] = [0x17, 0x18];
const [HCE, UICCMD, UTRLDBR] = [0x34, 0x90, 0x58];
const START_STOP_UNIT = 0x1b;

const uicCommands = (rig: UfsRig): number[] =>
  rig.events.flatMap((event) => (event.type === "uicCommand" ? [event.command] : []));
/** SCSI operation codes in the order they started. */
const opcodes = (rig: UfsRig): number[] =>
  rig.events.flatMap((event) => (event.type === "commandStarted" ? [event.opcode] : []));

async function expectWrites(rig: UfsRig, volume: Volume, seed: number): Promise<void> {
  await rig.drive(volume.write(0, pattern(8192, seed)));
  const back = new Uint8Array(8192);
  await rig.drive(volume.read(0, back));
  expectSameBytes(back, pattern(8192, seed));
}

describe("runtime suspend", () => {
  it("flushes, puts device and link to sleep; I/O wakes both", async () => {
    const rig = await UfsRig.start();
    const volume = new Volume(rig.hba.luns[0]!.bdev);
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(true);
    expect(rig.hba.pm.state).toBe("suspended");
    // The device's well-known unit answers its first command with a unit attention.
    expect(opcodes(rig)).toEqual([0x35, 0x1b, 0x1b]);
    expect(uicCommands(rig)).toEqual([HIBERNATE_ENTER]);
    await expectWrites(rig, volume, 1);
    expect(uicCommands(rig)).toEqual([HIBERNATE_ENTER, HIBERNATE_EXIT]);
    expect(rig.hba.pm.state).toBe("active");
    await rig.end();
  });

  it("[UFS-10] keys that the engine lost in its sleep are programmed again", async () => {
    const rig = await UfsRig.start({ hibernateClearsKeys: true });
    const volume = new Volume(rig.hba.luns[0]!.bdev, { key: makeKey() });
    await expectWrites(rig, volume, 1);
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(true);
    await expectWrites(rig, volume, 2);
    expect(rig.hba.cryptoProfile!.slotTable().reduce((sum, slot) => sum + slot.programmings, 0)).toBeGreaterThan(0);
    await rig.end();
  });

  it("happens by itself after a while without I/O, and not during I/O", async () => {
    const rig = await UfsRig.start({}, { autosuspendMs: 100 });
    const { bdev } = rig.hba.luns[0]!;
    rig.controller.faults.add({ kind: "slowCommand", opcode: 0x2a, delayNs: 500e6 });
    await rig.drive(bdev.write(0, pattern(4096)));
    expect(rig.hba.pm.state).toBe("active");
    for (let turn = 0; turn < 100; turn++) {
      rig.executor.advance(2);
      for (let each = 0; each < 20; each++) await Promise.resolve();
    }
    expect(rig.hba.pm.state).toBe("suspended");
    expect(uicCommands(rig)).toEqual([HIBERNATE_ENTER]);
    await rig.drive(bdev.read(0, new Uint8Array(4096)));
    await rig.end();
  });

  it("waits for requests that were refused, and that a device stacked above offers again after a while", async () => {
    const rig = await UfsRig.start({}, { autosuspendMs: 1 });
    const later = async () => {
      for (let turn = 0; turn < 30; turn++) {
        rig.executor.advance(0.1);
        for (let each = 0; each < 20; each++) await Promise.resolve();
      }
    };
    await later();
    expect(rig.hba.pm.state).toBe("suspended");
    expect(rig.hba.admission).toBe(BlkStatus.RESOURCE);
    await later();
    expect(rig.hba.admission).toBe(BlkStatus.OK);
    for (let wait = 0; wait < 5; wait++) await later();
    expect(rig.hba.pm.state).toBe("suspended");
    await rig.end();
  });

  it("is refused while a key is being used or a command is on its way", async () => {
    const rig = await UfsRig.start();
    const { bdev } = rig.hba.luns[0]!;
    const write = submit(bdev, ReqOp.WRITE, 0, pattern(4096));
    expect(await rig.hba.pm.runtimeSuspend()).toBe(false);
    expect(await rig.drive(write)).toBe(BlkStatus.OK);
    rig.hba.pm.runtimeResume();
    expect(await rig.hba.pm.runtimeSuspend()).toBe(false);
    rig.hba.pm.runtimePut();
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(true);
    await rig.end();
  });

  it("I/O and evictions that come while it is on its way wait, and wake it", async () => {
    const rig = await UfsRig.start();
    const { bdev } = rig.hba.luns[0]!;
    const key = makeKey();
    const volume = new Volume(bdev, { key });
    await expectWrites(rig, volume, 1);
    const suspending = rig.hba.pm.runtimeSuspend();
    const evicted = blkCryptoEvictKey(bdev, key);
    const write = submit(bdev, ReqOp.WRITE, 8192, pattern(4096), new Volume(bdev, { key: makeKey(2) }));
    await rig.drive(Promise.all([suspending, evicted]));
    expect(await rig.drive(write)).toBe(BlkStatus.OK);
    expect(rig.hba.pm.state).toBe("active");
    await rig.end();
  });

  it("a link that does not wake is reset, and a device that does not sleep stays awake", async () => {
    const rig = await UfsRig.start();
    const volume = new Volume(rig.hba.luns[0]!.bdev, { key: makeKey() });
    await expectWrites(rig, volume, 1);
    await rig.drive(rig.hba.pm.runtimeSuspend());
    rig.mmio.onWrite = (offset, value) => !(offset === UICCMD && value === HIBERNATE_EXIT);
    await expectWrites(rig, volume, 2);
    expect(rig.count("hostReset")).toBe(1);
    rig.mmio.onWrite = (offset, value) => !(offset === UICCMD && value === HIBERNATE_ENTER);
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(false);
    expect(rig.count("hostReset")).toBe(2);
    let doorbells = 0;
    rig.mmio.onWrite = (offset) => offset !== UTRLDBR || ++doorbells > 1;
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(false);
    await expectWrites(rig, volume, 3);
    await rig.end();
  });

  it("a host that is reset while its link goes to sleep works again", async () => {
    const rig = await UfsRig.start();
    const volume = new Volume(rig.hba.luns[0]!.bdev, { key: makeKey() });
    // The controller fails, and never ends the command that it was given.
    rig.mmio.onWrite = (offset, value) => {
      if (offset !== UICCMD || value !== HIBERNATE_ENTER) return true;
      rig.hba.errorHandler.scheduleReset("the controller reports a fatal error");
      return false;
    };
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(false);
    await expectWrites(rig, volume, 1);
    await rig.end();
  });

  it("a controller that fails as its device goes to sleep is back as soon as it has been reset", async () => {
    const rig = await UfsRig.start();
    rig.controller.faults.add({ kind: "deviceFatal", opcode: START_STOP_UNIT });
    const started = rig.executor.nowMs();
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(false);
    expect(rig.executor.nowMs() - started).toBeLessThan(100);
    await expectWrites(rig, new Volume(rig.hba.luns[0]!.bdev), 1);
    await rig.end();
  });

  it("a device that went to sleep without saying so is woken", async () => {
    const rig = await UfsRig.start();
    const volume = new Volume(rig.hba.luns[0]!.bdev, { key: makeKey() });
    // Its first answer is a unit attention.
    rig.controller.faults.add({ kind: "lostCompletion", opcode: START_STOP_UNIT, skip: 1 });
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(false);
    await expectWrites(rig, volume, 1);
    expect(await rig.drive(rig.hba.pm.runtimeSuspend())).toBe(true);
    expect(rig.count("hostReset")).toBe(0);
    await expectWrites(rig, volume, 2);
    await rig.end();
  });

  it("a sleeping host closes", async () => {
    const rig = await UfsRig.start();
    await rig.drive(rig.hba.pm.runtimeSuspend());
    await rig.end();
  });
});

describe("system suspend", () => {
  it("[UFS-10] powers down; I/O waits until the system resumes, and finds its keys", async () => {
    const rig = await UfsRig.start();
    const { bdev } = rig.hba.luns[0]!;
    const volume = new Volume(bdev, { key: makeKey() });
    await expectWrites(rig, volume, 1);
    rig.events.length = 0;
    await rig.drive(rig.hba.pm.systemSuspend());
    expect(rig.hba.pm.state).toBe("off");
    expect(opcodes(rig)).toEqual([0x35, 0x1b, 0x1b]);
    expect(rig.count("hostReset")).toBe(1);
    const write = submit(bdev, ReqOp.WRITE, 0, pattern(4096, 2), volume);
    const evicted = blkCryptoEvictKey(bdev, makeKey(9));
    for (let each = 0; each < 50; each++) await Promise.resolve();
    rig.executor.runUntilIdle();
    expect(rig.count("commandStarted")).toBe(3);
    await rig.drive(rig.hba.pm.systemResume());
    expect(await rig.drive(write)).toBe(BlkStatus.OK);
    await rig.drive(evicted);
    expect(rig.count("keyslotProgrammed")).toBe(1);
    await expectWrites(rig, volume, 3);
    await rig.end();
  });

  it("wakes what sleeps first, and may come twice, also at the same time", async () => {
    const rig = await UfsRig.start();
    await rig.drive(rig.hba.pm.runtimeSuspend());
    await rig.drive(Promise.all([rig.hba.pm.systemSuspend(), rig.hba.pm.systemSuspend()]));
    await rig.drive(rig.hba.pm.systemSuspend());
    await rig.drive(Promise.all([rig.hba.pm.systemResume(), rig.hba.pm.systemResume()]));
    await rig.drive(rig.hba.pm.systemResume());
    await expectWrites(rig, new Volume(rig.hba.luns[0]!.bdev), 1);
    await rig.end();
  });

  it("a device that does not power down keeps working", async () => {
    const rig = await UfsRig.start({}, { commandTimeoutMs: 100 });
    rig.controller.faults.add({ kind: "lostCompletion", opcode: 0x1b });
    await expect(rig.drive(rig.hba.pm.systemSuspend())).rejects.toMatchObject({ code: "ETIMEDOUT" });
    await expectWrites(rig, new Volume(rig.hba.luns[0]!.bdev), 1);
    await rig.end();
  });

  it("a device that powers down without saying so, or a controller that does not stop, is reset and works", async () => {
    const rig = await UfsRig.start({}, { commandTimeoutMs: 100 });
    const volume = new Volume(rig.hba.luns[0]!.bdev, { key: makeKey() });
    // Its first answer is a unit attention.
    rig.controller.faults.add({ kind: "lostCompletion", opcode: START_STOP_UNIT, skip: 1 });
    await expect(rig.drive(rig.hba.pm.systemSuspend())).rejects.toMatchObject({ code: "ETIMEDOUT" });
    await expectWrites(rig, volume, 1);
    let stops = 0;
    rig.mmio.onWrite = (offset, value) => offset !== HCE || value !== 0 || ++stops > 1;
    await expect(rig.drive(rig.hba.pm.systemSuspend())).rejects.toMatchObject({ code: "EIO" });
    const started = rig.executor.nowMs();
    await expectWrites(rig, volume, 2);
    expect(rig.executor.nowMs() - started, "no interrupt was lost").toBeLessThan(100);
    await rig.end();
  });

  it("a suspended host closes: what waited ends with an error", async () => {
    const rig = await UfsRig.start();
    const { bdev } = rig.hba.luns[0]!;
    await rig.drive(rig.hba.pm.systemSuspend());
    const write = submit(bdev, ReqOp.WRITE, 0, pattern(4096));
    await rig.end();
    expect(await write).toBe(BlkStatus.IOERR);
  });
});
